from __future__ import annotations

import math
import zlib
from typing import Any, Literal

import httpx
import openai
import pysubs2
import pytest
from openai import AsyncOpenAI
from openai.types.audio import Transcription, TranscriptionDiarized, TranscriptionVerbose

from deployments.contracts import VocabularyTerm
from deployments.errors import (
    AudioTooLong,
    ConcurrencyLimitReached,
    InsufficientCredits,
    Overloaded,
    QuotaExceeded,
    RateLimitReached,
    UnsupportedAudio,
)
from serve_app.access.plans import Plan
from serve_app.access.visit import RateState
from serve_app.settings import LimitSettings, Settings
from tests.fakes.edge import Edge
from tests.fakes.openai_sdk import openai_client

pytestmark = pytest.mark.unit

FILE = ("call.wav", b"RIFF")


async def post(edge: Edge, audio: bytes = b"RIFF", **fields: Any) -> httpx.Response:
    data = {"model": "whisper-1", **fields}
    return await edge.client.post("/v1/audio/transcriptions", files={"file": ("a.wav", audio)}, data=data)


async def test_json_is_the_text_and_its_languages(edge: Edge, sdk: AsyncOpenAI) -> None:
    answer = await sdk.audio.transcriptions.create(file=FILE, model="whisper-1")
    assert answer == Transcription.model_validate(
        {
            "text": "Hello, there. Yes.",
            "languages": [{"code": "en"}],
            "usage": {"type": "duration", "seconds": 1.5},
        }
    )
    assert edge.pipeline.audio == [b"RIFF"]
    assert not edge.pipeline.requests[0].diarize
    assert edge.access.dialects == ["openai"]


async def test_logprobs_are_the_words_and_their_confidences(sdk: AsyncOpenAI) -> None:
    answer = await sdk.audio.transcriptions.create(file=FILE, model="gpt-4o-transcribe", include=["logprobs"])
    assert answer.logprobs is not None
    assert [entry.token for entry in answer.logprobs] == ["Hello,", " there.", " Yes."]
    assert [entry.logprob for entry in answer.logprobs] == pytest.approx(
        [math.log(confidence) for confidence in (0.9, 0.8, 0.7)], abs=1e-4
    )
    assert bytes(int(byte) for byte in answer.logprobs[1].bytes or ()) == b" there."


async def test_verbose_json_has_segments_and_whispers_figures(edge: Edge, sdk: AsyncOpenAI) -> None:
    answer = await sdk.audio.transcriptions.create(file=FILE, model="whisper-1", response_format="verbose_json")
    TranscriptionVerbose.model_validate(answer.to_dict())
    assert (answer.text, answer.language, answer.duration) == ("Hello, there. Yes.", "english", 1.5)
    assert answer.words is None
    assert answer.segments is not None
    assert [(each.id, each.start, each.end, each.text) for each in answer.segments] == [
        (0, 0.1, 0.9, "Hello, there."),
        (1, 1.0, 1.3, "Yes."),
    ]
    first = answer.segments[0]
    assert (first.seek, first.tokens, first.temperature, first.no_speech_prob) == (10, [], 0, 0)
    assert first.avg_logprob == pytest.approx((math.log(0.9) + math.log(0.8)) / 2, abs=1e-4)
    assert first.compression_ratio == pytest.approx(13 / len(zlib.compress(b"Hello, there.")), abs=1e-4)
    assert (await post(edge, response_format="verbose_json")).json()["task"] == "transcribe"


@pytest.mark.parametrize("name", ["timestamp_granularities", "timestamp_granularities[]"])
@pytest.mark.parametrize(
    ("granularities", "has_segments", "has_words"),
    [(["word"], False, True), (["segment"], True, False), (["word", "segment"], True, True)],
)
async def test_granularities_say_what_has_times(
    edge: Edge, name: str, granularities: Any, has_segments: bool, has_words: bool
) -> None:
    answer = (await post(edge, response_format="verbose_json", **{name: granularities})).json()
    assert ("segments" in answer, "words" in answer) == (has_segments, has_words)
    if has_words:
        assert answer["words"][0] == {"word": "Hello,", "start": 0.1, "end": 0.4}


async def test_the_sdk_reads_words(sdk: AsyncOpenAI) -> None:
    answer = await sdk.audio.transcriptions.create(
        file=FILE, model="whisper-1", response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert answer.words is not None
    assert [word.word for word in answer.words] == ["Hello,", "there.", "Yes."]
    assert answer.segments is None


async def test_diarized_json_names_speakers_by_letters(edge: Edge, sdk: AsyncOpenAI) -> None:
    answer = await sdk.audio.transcriptions.create(
        file=FILE, model="gpt-4o-transcribe-diarize", response_format="diarized_json", chunking_strategy="auto"
    )
    TranscriptionDiarized.model_validate(answer.to_dict())
    assert [(each.id, each.speaker, each.text, each.start, each.end) for each in answer.segments] == [
        ("seg_0", "A", "Hello, there.", 0.1, 0.9),
        ("seg_1", "B", "Yes.", 1.0, 1.3),
    ]
    assert (answer.task, answer.text, answer.duration) == ("transcribe", "Hello, there. Yes.", 1.5)
    assert edge.pipeline.requests[0].diarize


FORMS: tuple[Literal["srt", "vtt"], ...] = ("srt", "vtt")


async def test_text_and_subtitles_are_what_they_are_called(edge: Edge, sdk: AsyncOpenAI) -> None:
    create = sdk.audio.transcriptions.create
    assert await create(file=FILE, model="whisper-1", response_format="text") == "Hello, there. Yes.\n"
    for form in FORMS:
        subtitles = pysubs2.SSAFile.from_string(
            str(await create(file=FILE, model="whisper-1", response_format=form)),
            format_=form,
        )
        assert [(cue.start, cue.plaintext) for cue in subtitles] == [(100, "Hello, there."), (1000, "Yes.")]
    types = {
        form: (await post(edge, response_format=form)).headers["content-type"]
        for form in ("json", "text", "srt", "vtt")
    }
    assert types == {
        "json": "application/json",
        "text": "text/plain; charset=utf-8",
        "srt": "application/x-subrip",
        "vtt": "text/vtt; charset=utf-8",
    }


@pytest.mark.parametrize(
    ("form", "content"),
    [("text", ""), ("srt", ""), ("vtt", "WEBVTT"), ("json", None), ("verbose_json", None), ("diarized_json", None)],
)
async def test_silence_is_an_answer_and_costs_nothing(edge: Edge, form: str, content: str | None) -> None:
    edge.pipeline.segments = ()
    response = await post(edge, response_format=form)
    assert response.status_code == 200
    if content is not None:
        assert response.text.strip() == content
    else:
        assert response.json()["text"] == ""
        assert response.json()["usage"] == {"type": "duration", "seconds": 0.0}


async def test_the_language_of_silence_is_the_one_that_was_asked_for(edge: Edge) -> None:
    edge.pipeline.segments = ()
    asked = await post(edge, response_format="verbose_json", language="en")
    unasked = await post(edge, response_format="verbose_json")
    assert (asked.json()["language"], unasked.json()["language"]) == ("english", "unknown")


@pytest.mark.parametrize("spelling", ["{}", "{}[]"])
async def test_lists_reach_the_pipeline_in_both_spellings(edge: Edge, spelling: str) -> None:
    fields: dict[str, Any] = {
        spelling.format("keywords"): ["Kubernetes", "Ray Serve"],
        spelling.format("languages"): ["en"],
    }
    assert (await post(edge, **fields)).status_code == 200
    (request,) = edge.pipeline.requests
    assert request.vocabulary == (VocabularyTerm("Kubernetes"), VocabularyTerm("Ray Serve"))
    assert (request.language, request.candidates) == (None, ("en",))


async def test_the_sdks_lists_are_understood(edge: Edge, sdk: AsyncOpenAI) -> None:
    await sdk.audio.transcriptions.create(file=FILE, model="gpt-transcribe", keywords=["Ray"], languages=["en"])
    (request,) = edge.pipeline.requests
    assert (request.vocabulary, request.candidates) == ((VocabularyTerm("Ray"),), ("en",))


async def test_an_operators_limit_on_length_goes_with_the_request() -> None:
    edge = Edge(settings=Settings(limits=LimitSettings(dialect_max_duration_s={"openai": 1400})))
    async with edge.client:
        await post(edge)
    assert edge.pipeline.requests[0].max_duration_s == 1400


async def test_what_asks_for_nothing_is_taken(edge: Edge, sdk: AsyncOpenAI) -> None:
    await sdk.audio.transcriptions.create(
        file=FILE,
        model="whisper-1",
        language="en",
        prompt="",
        temperature=0,
        stream=False,
        chunking_strategy={
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 700,
            "silence_duration_ms": 300,
        },
    )
    assert edge.pipeline.requests[0].language == "en"


SERVER_VAD = {"chunking_strategy[type]": "server_vad"}


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": ""}, "model", "invalid_value"),
        ({"language": "xx"}, "language", "unsupported_value"),
        ({"language": "english"}, "language", "unsupported_value"),
        ({"languages[]": ["en", "de"]}, "languages", "unsupported_value"),
        ({"languages[]": ["en"], "language": "en"}, "languages", "invalid_value"),
        ({"prompt": "Ray, Serve"}, "prompt", "unsupported_parameter"),
        ({"keywords[]": ["Ray", " "]}, "keywords", "invalid_value"),
        ({"response_format": "xml"}, "response_format", "invalid_value"),
        ({"temperature": "0.2"}, "temperature", "unsupported_value"),
        ({"temperature": "hot"}, "temperature", "invalid_value"),
        ({"temperature": "nan"}, "temperature", "unsupported_value"),
        ({"timestamp_granularities[]": ["word"]}, "timestamp_granularities", "invalid_value"),
        (
            {"timestamp_granularities[]": ["word", "letter"], "response_format": "verbose_json"},
            "timestamp_granularities.1",
            "invalid_value",
        ),
        ({"include[]": ["logprobs"], "response_format": "text"}, "include", "invalid_value"),
        ({"include[]": ["everything"]}, "include.0", "invalid_value"),
        ({"chunking_strategy": "never"}, "chunking_strategy", "invalid_value"),
        ({"chunking_strategy": "auto", **SERVER_VAD}, "chunking_strategy", "invalid_value"),
        ({"chunking_strategy[type]": "semantic_vad"}, "chunking_strategy[type]", "invalid_value"),
        ({"chunking_strategy[threshold]": "0.5"}, "chunking_strategy[type]", "missing_required_parameter"),
        (
            {**SERVER_VAD, "chunking_strategy[threshold]": "0.9"},
            "chunking_strategy[threshold]",
            "unsupported_value",
        ),
        (
            {**SERVER_VAD, "chunking_strategy[prefix_padding_ms]": "10"},
            "chunking_strategy[prefix_padding_ms]",
            "unsupported_value",
        ),
        (
            {**SERVER_VAD, "chunking_strategy[silence_duration_ms]": "10"},
            "chunking_strategy[silence_duration_ms]",
            "unsupported_value",
        ),
        ({"known_speaker_names[]": ["Ann"]}, "known_speaker_names", "unsupported_parameter"),
        ({"known_speaker_references[]": ["data:,"]}, "known_speaker_references", "unsupported_parameter"),
        ({"stream": "maybe"}, "stream", "invalid_value"),
        ({"stream": "true", "response_format": "srt"}, "stream", "invalid_value"),
        ({"stream": "true", "response_format": "vtt"}, "stream", "invalid_value"),
        ({"stream": "true", "response_format": "verbose_json"}, "stream", "invalid_value"),
        ({"user": "me"}, "user", "invalid_value"),
        ({"vad_threshold": "0.5"}, "vad_threshold", "invalid_value"),
        ({"surprises[]": ["one"]}, "surprises[]", "invalid_value"),
        ({"language": ["en", "en"]}, "language", "invalid_value"),
    ],
)
async def test_what_cannot_be_done_is_a_400_that_names_it(
    edge: Edge, fields: dict[str, Any], param: str, code: str
) -> None:
    response = await post(edge, **fields)
    assert response.status_code == 400
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert param in error["message"]
    assert not edge.pipeline.requests


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ({"files": {"model": (None, "whisper-1")}}, "file"),
        ({"files": {"file": b"RIFF"}}, "model"),
        ({"json": {"model": "whisper-1"}}, "file"),
        ({}, "file"),
    ],
)
async def test_what_is_missing_is_named(edge: Edge, parts: dict[str, Any], param: str) -> None:
    response = await edge.client.post("/v1/audio/transcriptions", **parts)
    assert response.status_code == 400
    assert response.json() == {
        "error": {
            "message": f"Missing required parameter: {param}",
            "type": "invalid_request_error",
            "param": param,
            "code": "missing_required_parameter",
        }
    }


async def test_too_large_is_a_413_in_the_vendors_words(edge: Edge) -> None:
    assert (await post(edge, b"x" * 10_000)).status_code == 200
    response = await post(edge, b"x" * 10_001)
    assert response.status_code == 413
    assert response.json() == {
        "error": {
            "message": "Maximum content size limit (10000) exceeded",
            "type": "server_error",
            "param": None,
            "code": None,
        }
    }


def test_the_limit_is_the_vendors_by_default() -> None:
    assert Settings().limits.max_bytes_in("openai") == 26_214_400


@pytest.mark.parametrize(
    ("error", "raised", "kind", "code"),
    [
        (UnsupportedAudio("no audio was found"), openai.BadRequestError, "invalid_request_error", "invalid_value"),
        (AudioTooLong(7200.0), openai.BadRequestError, "invalid_request_error", "invalid_value"),
        (Overloaded("The queue is full", 7.5), openai.InternalServerError, "server_error", "service_unavailable"),
        (ValueError("secret detail"), openai.InternalServerError, "server_error", None),
    ],
)
async def test_failures_are_the_sdks_exceptions(
    edge: Edge, sdk: AsyncOpenAI, error: Exception, raised: type[openai.APIStatusError], kind: str, code: str | None
) -> None:
    edge.pipeline.error = error
    for stream in (False, True):
        with pytest.raises(raised) as caught:
            await sdk.audio.transcriptions.create(file=FILE, model="whisper-1", stream=stream)
        assert (caught.value.type, caught.value.code) == (kind, code)
        assert "secret" not in caught.value.message
    assert len(edge.meter.failures) == 2


@pytest.mark.parametrize(
    ("error", "kind", "code", "retry_after"),
    [
        (ConcurrencyLimitReached(10, 0.5), "requests", "rate_limit_exceeded", "1"),
        (RateLimitReached(60, 12.3), "requests", "rate_limit_exceeded", "13"),
        (QuotaExceeded(100, 60), "insufficient_quota", "insufficient_quota", "60"),
        (InsufficientCredits(), "insufficient_quota", "insufficient_quota", None),
    ],
)
async def test_limits_are_rate_limit_errors(
    edge: Edge, sdk: AsyncOpenAI, error: Any, kind: str, code: str, retry_after: str | None
) -> None:
    edge.access.error = error
    with pytest.raises(openai.RateLimitError) as caught:
        await sdk.audio.transcriptions.create(file=FILE, model="whisper-1")
    assert (caught.value.type, caught.value.code) == (kind, code)
    assert caught.value.response.headers.get("retry-after") == retry_after


async def test_a_key_is_asked_for(edge: Edge) -> None:
    edge.access.key = "rs_good"
    async with openai_client(edge.app, "rs_bad") as stranger:
        with pytest.raises(openai.AuthenticationError) as caught:
            await stranger.audio.transcriptions.create(file=FILE, model="whisper-1")
        assert (caught.value.type, caught.value.code) == ("invalid_request_error", "invalid_api_key")
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.retrieve("moonshine-tiny-en")
    async with openai_client(edge.app, "rs_good") as friend:
        await friend.audio.transcriptions.create(file=FILE, model="whisper-1")
        await friend.models.list()
    assert (await edge.client.get("/v1/models")).json()["error"]["code"] is None


async def test_a_feature_that_the_plan_lacks_names_the_parameter(edge: Edge, sdk: AsyncOpenAI) -> None:
    edge.access.plan = Plan(features=frozenset())
    with pytest.raises(openai.PermissionDeniedError) as caught:
        await sdk.audio.transcriptions.create(file=FILE, model="whisper-1", response_format="diarized_json")
    assert caught.value.param == "response_format"


async def test_the_rate_is_told(edge: Edge) -> None:
    edge.access.rate = RateState(60, 42, 10.0)
    for response in (await post(edge), await post(edge, stream="true"), await post(edge, language="xx")):
        assert response.headers["x-ratelimit-remaining"] == "42"


async def test_the_model_is_the_engine(edge: Edge, sdk: AsyncOpenAI) -> None:
    (model,) = (await sdk.models.list()).data
    assert (model.id, model.object, model.owned_by) == ("moonshine-tiny-en", "model", "rayscribe")
    published = model.model_extra["capabilities"] if model.model_extra else {}
    assert (published["languages"], published["language_detection"], published["prompts"]) == (["en"], False, False)
    assert await sdk.models.retrieve(model.id) == model
    with pytest.raises(openai.NotFoundError) as caught:
        await sdk.models.retrieve("whisper-1")
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")
    assert (await edge.client.get("/v1/models/org/name")).json()["error"]["code"] == "model_not_found"


async def test_a_checkpoint_is_listed_with_what_its_engine_can_do() -> None:
    checkpoint = "openai/whisper-large-v3-turbo"
    profile = {
        "recognition": {"engine": "whisper", "checkpoint": checkpoint},
        "language": {"engine": "whisper-head", "checkpoint": "openai/whisper-tiny"},
    }
    edge = Edge(settings=Settings.model_validate(profile))
    async with edge.client, openai_client(edge.app) as sdk:
        (model,) = (await sdk.models.list()).data
        assert await sdk.models.retrieve(checkpoint) == model
    published = model.model_extra["capabilities"] if model.model_extra else {}
    assert {"en", "hi", "yue"} <= set(published["languages"])
    assert (published["language_detection"], published["prompts"], published["longest_window_s"]) == (True, True, 30.0)


async def test_translations_are_not_offered(edge: Edge) -> None:
    response = await edge.client.post("/v1/audio/translations", files={"file": FILE}, data={"model": "whisper-1"})
    assert response.status_code == 404


async def test_the_api_page_shows_every_field_with_an_example(edge: Edge) -> None:
    schema = (await edge.client.get("/openapi.json")).json()
    operation = schema["paths"]["/v1/audio/transcriptions"]["post"]
    body = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    plain = {"file", "model", "language", "prompt", "response_format", "temperature", "stream", "chunking_strategy"}
    parts = {"type", "threshold", "prefix_padding_ms", "silence_duration_ms"}
    lists = {"languages", "keywords", "timestamp_granularities", "include"}
    lists |= {"known_speaker_names", "known_speaker_references"}
    assert set(body) == plain | {f"chunking_strategy[{part}]" for part in parts} | {f"{name}[]" for name in lists}
    answers = [
        schema["components"]["schemas"][name]["properties"]
        for name in ("TextTranscription", "VerboseTranscription", "VerboseSegment", "DiarizedTranscription", "Model")
    ]
    for fields in (body, *answers):
        for name, field in fields.items():
            assert field["description"], name
            assert field.get("examples") or field.get("format") == "binary" or "items" in field or "anyOf" in field, (
                name
            )
    assert {"200", "400", "401", "403", "413", "429", "500", "503"} <= set(operation["responses"])
    assert set(operation["responses"]["200"]["content"]) == {
        "application/json",
        "text/plain",
        "application/x-subrip",
        "text/vtt",
        "text/event-stream",
    }
