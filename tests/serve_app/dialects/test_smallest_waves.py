from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Transcript, TranscriptionWarning, WarningCode
from deployments.errors import (
    AudioTooLong,
    ConcurrencyLimitReached,
    FeatureNotInPlan,
    InsufficientCredits,
    InvalidParameter,
    Overloaded,
    QuotaExceeded,
    RateLimitReached,
    SourceForbidden,
    SourceUnreachable,
    UnsupportedAudio,
)
from serve_app.access.plans import Plan
from serve_app.dialects.registry import CALLBACK_FORMS
from serve_app.dialects.smallest_waves import LANGUAGE_SETS
from serve_app.dialects.smallest_waves_answer import Presentation, PulseAnswer, PulseProAnswer, to_answer
from serve_app.dialects.turn_index import TurnIndex
from serve_app.jobs.contracts import Callback, JobFailure
from tests.fakes.edge import SEGMENTS, Edge
from tests.fakes.transcripts import transcripts

pytestmark = pytest.mark.unit

PATH = "/waves/v1/stt/"
LEGACY = ["/waves/v1/pulse/get_text", "/api/v1/pulse/get_text", "/api/v1/lightning/get_text"]
HOOK = "https://example.com/hook"
URL = "https://example.com/calls/one%20call.wav?signature=secret"


async def stt(edge: Edge, audio: bytes = b"RIFF", /, path: str = PATH, **query: str) -> httpx.Response:
    query = {"model": "pulse", **query}
    return await edge.client.post(
        path, content=audio, params=query, headers={"content-type": "application/octet-stream"}
    )


async def test_pulse_answers_with_the_vendors_fields_and_no_others(edge: Edge) -> None:
    response = await stt(edge, b"some audio", language="en")
    assert response.json() == {
        "status": "success",
        "transcription": "Hello, there. Yes.",
        "words": [],
        "utterances": [],
        "metadata": {"duration": 1.5, "fileSize": 10},
    }
    assert edge.pipeline.audio == [b"some audio"]


async def test_one_flag_fills_words_and_utterances(edge: Edge) -> None:
    answer = (await stt(edge, word_timestamps="true")).json()
    assert answer["words"] == [
        {"word": "Hello,", "start": 0.1, "end": 0.4, "confidence": 0.9},
        {"word": "there.", "start": 0.5, "end": 0.9, "confidence": 0.8},
        {"word": "Yes.", "start": 1.0, "end": 1.3, "confidence": 0.7},
    ]
    assert answer["utterances"] == [
        {"text": "Hello, there.", "start": 0.1, "end": 0.9},
        {"text": "Yes.", "start": 1.0, "end": 1.3},
    ]


async def test_speakers_are_numbers_and_the_answer_has_no_request_id(edge: Edge) -> None:
    answer = (await stt(edge, word_timestamps="true", diarize="true")).json()
    assert [(word["speaker"], word["speaker_confidence"]) for word in answer["words"]] == [(0, 1.0), (0, 1.0), (1, 1.0)]
    assert [utterance["speaker"] for utterance in answer["utterances"]] == [0, 1]
    # The vendor's SDK takes an answer with both for an accepted job.
    assert "request_id" not in answer


async def test_diarization_that_nothing_would_show_is_not_done(edge: Edge) -> None:
    await stt(edge, diarize="true")
    assert not edge.pipeline.requests[0].diarize


async def test_pulse_pro_has_its_own_form(edge: Edge) -> None:
    answer = (await stt(edge, b"some audio", model="pulse-pro", language="en")).json()
    request_id = answer.pop("request_id")
    assert str(uuid.UUID(request_id)) == request_id == edge.pipeline.requests[0].request_id
    assert answer["metadata"].pop("processing_time_ms") > 0
    assert answer["metadata"].pop("rtfx") > 0
    assert answer == {
        "status": "success",
        "transcription": "Hello, there. Yes.",
        "words": [],
        "language": "en",
        "totalBytes": 10,
        "metadata": {"duration": 1.5, "num_chunks": 1},
    }
    timed = (await stt(edge, model="pulse-pro", word_timestamps="true")).json()
    assert [word["word"] for word in timed["words"]] == ["Hello,", "there.", "Yes."]
    assert "utterances" not in timed


async def test_pulse_pro_counts_the_chunks(edge: Edge) -> None:
    edge.pipeline.segments = tuple(replace(each, chunk=number) for number, each in enumerate(SEGMENTS))
    assert (await stt(edge, model="pulse-pro")).json()["metadata"]["num_chunks"] == 2


async def test_a_recording_without_speech_is_a_success(edge: Edge) -> None:
    edge.pipeline.segments = ()
    edge.pipeline.warnings = (TranscriptionWarning(WarningCode.NO_SPEECH_DETECTED, "Nobody speaks"),)
    pulse = (await stt(edge, word_timestamps="true")).json()
    assert (pulse["transcription"], pulse["words"], pulse["utterances"]) == ("", [], [])
    assert pulse["warnings"] == [{"code": "no_speech_detected", "message": "Nobody speaks"}]
    assert (await stt(edge, model="pulse-pro")).json()["language"] is None


@pytest.mark.parametrize("path", ["/waves/v1/stt/", "/waves/v1/stt"])
async def test_the_slash_at_the_end_does_not_matter(edge: Edge, path: str) -> None:
    assert (await stt(edge, path=path)).status_code == 200


@pytest.mark.parametrize("path", LEGACY)
async def test_older_paths_need_no_model(edge: Edge, path: str) -> None:
    for query in ({}, {"model": "pulse"}, {"model": "lightning"}):
        response = await edge.client.post(path, params=query, content=b"RIFF", headers={"content-type": "audio/wav"})
        assert (response.status_code, "utterances" in response.json()) == (200, True)
    assert (await edge.client.post(path, params={"model": "nova"}, content=b"RIFF")).status_code == 400


async def test_without_a_content_type_the_body_is_audio(edge: Edge) -> None:
    response = await edge.client.post(PATH, params={"model": "pulse"}, content=b"RIFF")
    assert response.status_code == 200


async def test_a_missing_model_is_named_with_the_models(edge: Edge) -> None:
    response = await edge.client.post(PATH, content=b"RIFF")
    body = response.json()
    message = "Missing required query param: model. Supported values: pulse | pulse-pro."
    assert response.status_code == 400
    uuid.UUID(body.pop("request_id"))
    assert body == {
        "status": "error",
        "error": message,
        "message": message,
        "error_code": "MISSING_PARAMETER",
        "errors": [{"code": "MISSING_PARAMETER", "path": ["model"], "message": message}],
    }


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"model": "nova"}, "model"),
        ({"language": "de"}, "language"),
        ({"language": "multi-eu"}, "language"),
        ({"language": "multi-indic"}, "language"),
        ({"language": "multi-asian"}, "language"),
        ({"word_timestamps": "1"}, "word_timestamps"),
        ({"word_timestamps": "True"}, "word_timestamps"),
        ({"diarize": ""}, "diarize"),
        ({"model": "pulse-pro", "diarize": "true"}, "diarize"),
        ({"redact_pii": "true"}, "redact_pii"),
        ({"redact_pci": "true"}, "redact_pci"),
        ({"emotion_detection": "true"}, "emotion_detection"),
        ({"gender_detection": "true"}, "gender_detection"),
        ({"webhook_url": HOOK, "webhook_method": "PUT"}, "webhook_method"),
        ({"webhook_method": "POST"}, "webhook_method"),
        ({"webhook_extra": "a:b"}, "webhook_extra"),
        ({"encoding": "linear16"}, "encoding"),
    ],
)
async def test_what_cannot_be_honoured_is_a_400_that_names_it(
    edge: Edge, query: dict[str, str], parameter: str
) -> None:
    response = await stt(edge, b"RIFF", **query)
    body = response.json()
    assert response.status_code == 400
    assert body["errors"][0]["path"] == [parameter]
    assert body["error"] == body["message"] == body["errors"][0]["message"]
    assert parameter in body["error"]
    assert not edge.pipeline.requests


async def test_a_parameter_given_twice_is_refused(edge: Edge) -> None:
    response = await edge.client.post(PATH + "?model=pulse&language=en&language=hi", content=b"RIFF")
    assert response.json()["errors"][0]["path"] == ["language"]


async def test_a_language_that_is_not_spoken_comes_with_those_that_are(edge: Edge) -> None:
    for language in ("de", "multi-eu"):
        assert (await stt(edge, language=language)).json()["supported"] == ["en"]


@pytest.mark.parametrize("query", [{"language": "multi"}, {}])
async def test_multi_finds_out_among_all_languages(edge: Edge, query: dict[str, str]) -> None:
    assert (await stt(edge, b"RIFF", **query)).status_code == 200
    (request,) = edge.pipeline.requests
    assert (request.language, request.candidates) == (None, ())


def test_the_sets_of_languages_are_the_vendors() -> None:
    assert {name: len(languages) for name, languages in LANGUAGE_SETS.items()} == {
        "multi-eu": 8,
        "multi-indic": 11,
        "multi-asian": 5,
    }


async def test_off_is_always_possible_and_the_unknown_is_ignored(edge: Edge) -> None:
    off = dict.fromkeys(("redact_pii", "redact_pci", "emotion_detection", "gender_detection"), "false")
    response = await stt(edge, b"RIFF", **off, age_detection="true", encoding="wav", tier="gold")
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("query", "punctuate", "text"),
    [
        ({"format": "false"}, False, "hello, there. yes."),
        ({"punctuate": "false"}, False, "Hello, there. Yes."),
        ({"capitalize": "false"}, True, "hello, there. yes."),
    ],
)
async def test_formatting_can_be_turned_off(edge: Edge, query: dict[str, str], punctuate: bool, text: str) -> None:
    answer = (await stt(edge, path=LEGACY[0], word_timestamps="true", **query)).json()
    assert edge.pipeline.requests[0].punctuate == punctuate
    assert answer["transcription"] == text
    assert " ".join(word["word"] for word in answer["words"]) == text
    assert " ".join(each["text"] for each in answer["utterances"]) == text


async def test_a_url_is_fetched_and_named(edge: Edge) -> None:
    edge.sources.files[URL] = b"fetched"
    for model in ("pulse", "pulse-pro"):
        response = await edge.client.post(PATH, params={"model": model}, json={"url": URL})
        assert response.json()["metadata"]["filename"] == "one call.wav"
    assert edge.pipeline.audio == [b"fetched", b"fetched"]
    assert edge.sources.fetched[0] == (URL, 10_000)


@pytest.mark.parametrize("body", [{}, {"url": None}, {"uri": URL}, [], "x", {"url": URL, "language": "en"}])
async def test_json_that_is_no_source_is_refused(edge: Edge, body: Any) -> None:
    edge.sources.files[URL] = b"fetched"
    response = await edge.client.post(PATH, params={"model": "pulse"}, json=body)
    assert response.status_code == 400
    assert not edge.pipeline.requests


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SourceForbidden("the address is private"), "URL_NOT_ALLOWED"),
        (SourceUnreachable("example.com does not answer"), "URL_FETCH_FAILED"),
    ],
)
async def test_a_url_that_cannot_be_fetched_is_a_400_that_says_why(edge: Edge, error: Any, code: str) -> None:
    edge.sources.error = error
    response = await edge.client.post(PATH, params={"model": "pulse"}, json={"url": URL})
    assert (response.status_code, response.json()["error_code"]) == (400, code)


async def test_an_empty_body_is_no_recording(edge: Edge) -> None:
    response = await stt(edge, b"")
    assert response.status_code == 400
    assert response.json()["errors"][0]["path"] == ["body"]


async def test_a_webhook_is_answered_at_once(edge: Edge) -> None:
    for model in ("pulse", "pulse-pro"):
        answer = (await stt(edge, b"some audio", model=model, webhook_url=HOOK)).json()
        job = list(edge.jobs.jobs.values())[-1]
        assert answer == {"status": "processing", "request_id": job.order.request.request_id}
        assert job.order.callback == Callback(HOOK)
        assert edge.jobs.audio[job.id] == b"some audio"
    assert not edge.pipeline.requests


@pytest.mark.parametrize("model", ["pulse", "pulse-pro"])
async def test_the_webhook_carries_the_whole_answer_and_what_was_handed_over(edge: Edge, model: str) -> None:
    plain = (await stt(edge, model=model, word_timestamps="true")).json()
    transcript = edge.meter.transcripts[0]
    query = {"webhook_url": HOOK, "webhook_method": "GET", "webhook_extra": "order:17"}
    accepted = (await stt(edge, model=model, word_timestamps="true", **query)).json()
    job = edge.jobs.jobs["job_0"]
    assert job.order.callback == Callback(HOOK, "GET", "order:17")
    ended = replace(job, started_at_s=100.0, ended_at_s=100.5)
    body = CALLBACK_FORMS["smallest_waves"].completed(ended, transcript)
    expected = {**plain, "request_id": accepted["request_id"], "webhook_extra": "order:17"}
    if model == "pulse-pro":
        expected["metadata"] |= {"processing_time_ms": 500.0, "rtfx": 3.0}
    assert json.loads(json.dumps(body)) == expected
    failed = CALLBACK_FORMS["smallest_waves"].failed(job, JobFailure("UnsupportedAudio", "no audio was found"))
    assert failed == {
        "status": "failed",
        "error": "no audio was found",
        "message": "no audio was found",
        "request_id": accepted["request_id"],
        "webhook_extra": "order:17",
    }


async def test_a_webhook_that_cannot_be_called_is_named_as_the_caller_knows_it(edge: Edge) -> None:
    edge.jobs.error = InvalidParameter("callback", "the address is private")
    response = await stt(edge, webhook_url="http://10.0.0.1/")
    assert response.status_code == 400
    assert response.json()["errors"][0]["path"] == ["webhook_url"]


async def test_a_key_is_asked_for_before_anything_else(edge: Edge) -> None:
    edge.access.key = "rs_good"
    missing = await edge.client.post(PATH, content=b"RIFF")
    assert missing.status_code == 401
    assert missing.json()["message"] == "Unauthorized: No tokens provided"
    wrong = await edge.client.post(PATH, content=b"RIFF", headers={"authorization": "Bearer rs_bad"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "unauthorized")
    headers = {"authorization": "Bearer rs_good"}
    assert (await edge.client.post(PATH + "?model=pulse", content=b"x", headers=headers)).status_code == 200
    assert edge.access.dialects == ["smallest_waves"]


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (ConcurrencyLimitReached(10, 0.5), 429, "RATE_LIMIT_EXCEEDED", "1"),
        (RateLimitReached(60, 12.3), 429, "RATE_LIMIT_EXCEEDED", "13"),
        (QuotaExceeded(100, 60), 403, "QUOTA_EXCEEDED", "60"),
        (InsufficientCredits(), 403, "INSUFFICIENT_CREDITS", None),
        (FeatureNotInPlan("diarization", "diarize"), 403, "FEATURE_NOT_IN_PLAN", None),
        (Overloaded("The service is full", 7.5), 503, "SERVICE_UNAVAILABLE", "8"),
    ],
)
async def test_limits_answer_in_the_vendors_words(
    edge: Edge, error: Any, status: int, code: str, retry_after: str | None
) -> None:
    edge.access.error = error
    response = await stt(edge)
    assert (response.status_code, response.json()["error_code"]) == (status, code)
    assert response.headers.get("retry-after") == retry_after
    uuid.UUID(response.json()["request_id"])


async def test_a_plan_without_speakers_refuses_them(edge: Edge) -> None:
    edge.access.plan = Plan(features=frozenset())
    assert (await stt(edge, diarize="true", word_timestamps="true")).status_code == 403
    assert (await stt(edge, diarize="true")).status_code == 200


async def test_a_file_over_the_limit_is_a_413_before_it_is_read_to_its_end(edge: Edge) -> None:
    assert (await stt(edge, b"x" * 10_000)).status_code == 200
    declared = await stt(edge, b"x" * 10_001)
    assert (declared.status_code, declared.json()["error_code"]) == (413, "FILE_TOO_LARGE")
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 1_000_000:
            read += 1000
            yield b"x" * 1000

    chunked = await edge.client.post(PATH + "?model=pulse", content=body())
    assert chunked.status_code == 413
    assert read < 20_000


async def test_the_limit_is_told_in_the_vendors_words() -> None:
    schema = (await Edge().client.get("/openapi.json")).json()
    examples = schema["paths"][PATH]["post"]["responses"]["413"]["content"]["application/json"]["examples"]
    assert examples["Too large"]["value"]["error"] == "File size exceeds maximum limit of 250MB."


@pytest.mark.parametrize(
    ("error", "status"), [(UnsupportedAudio("no audio was found"), 400), (AudioTooLong(7200.0), 413)]
)
async def test_audio_that_is_not_taken(edge: Edge, error: Any, status: int) -> None:
    edge.pipeline.error = error
    response = await stt(edge)
    assert (response.status_code, response.json()["status"]) == (status, "error")


async def test_an_unforeseen_error_tells_nothing(edge: Edge) -> None:
    edge.pipeline.error = ValueError("secret detail")
    response = await stt(edge)
    assert response.status_code == 500
    assert response.json()["error"] == "Internal server error"
    assert "secret" not in response.text


async def test_the_api_page_describes_every_parameter(edge: Edge) -> None:
    schema = (await edge.client.get("/openapi.json")).json()
    call = schema["paths"][PATH]["post"]
    assert all(each["description"] and "example" in each for each in call["parameters"])
    assert [each["name"] for each in call["parameters"] if each["required"]] == ["model"]
    assert {"200", "400", "401", "403", "413", "429", "500", "503"} <= set(call["responses"])
    assert schema["paths"][LEGACY[0]]["post"]["deprecated"]


@given(transcripts, st.booleans(), st.booleans(), st.none() | st.just(0.0) | st.floats(1e-6, 1e5))
def test_any_transcript_is_an_answer_of_either_model(
    transcript: Transcript, word_timestamps: bool, capitalize: bool, processing_s: float | None
) -> None:
    for model, form in (("pulse", PulseAnswer), ("pulse-pro", PulseProAnswer)):
        presentation = Presentation(
            model=model,
            word_timestamps=word_timestamps,
            capitalize=capitalize,
            total_bytes=1,
            filename=None,
        )
        body = to_answer(transcript, presentation, processing_s).model_dump(exclude_unset=True)
        written = json.loads(json.dumps(body, allow_nan=False))
        assert form.model_validate(written).model_dump(exclude_unset=True) == written
        assert len(written["words"]) == (len(transcript.words) if word_timestamps else 0)


@given(transcripts, st.floats(0, 7200), st.floats(0, 100))
def test_turns_are_found_by_time(transcript: Transcript, start_s: float, length_s: float) -> None:
    end_s = start_s + length_s
    found = TurnIndex(transcript.turns).within(start_s, end_s)
    overlapping = [turn for turn in transcript.turns if turn.start_s < end_s and turn.end_s > start_s]
    assert sorted(turn.speaker for turn in found) == sorted(turn.speaker for turn in overlapping)
    assert all(start_s <= turn.start_s <= turn.end_s <= end_s for turn in found)
