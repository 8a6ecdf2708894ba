"""What a transcription may be asked in OpenAI's words, and what not."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI

from deployments.contracts import VocabularyTerm
from serve_app.settings import LimitSettings, Settings
from tests.fakes.edge import Edge
from tests.serve_app.dialects.openai_transcriptions import FILE, PATH, post

pytestmark = pytest.mark.unit


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


async def test_fields_that_are_left_empty_are_as_if_they_were_not_there(edge: Edge) -> None:
    """As forms send them."""
    names = ["language", "temperature", "response_format", "prompt", "stream", "chunking_strategy", "include[]"]
    fields: dict[str, Any] = dict.fromkeys([*names, "timestamp_granularities[]", "languages[]"], "")
    fields["keywords[]"] = ["Ray", " "]
    assert (await post(edge, **fields)).status_code == 200
    (request,) = edge.pipeline.requests
    assert (request.language, request.vocabulary) == (None, (VocabularyTerm("Ray"),))


@pytest.mark.parametrize("response_format", ["json", "text", "srt", "vtt", "diarized_json"])
async def test_segments_may_be_named_in_any_form(edge: Edge, response_format: str) -> None:
    """As the Vercel AI SDK names them with json for the gpt-4o models."""
    fields: dict[str, Any] = {"response_format": response_format, "timestamp_granularities[]": "segment"}
    assert (await post(edge, **fields)).status_code == 200


@pytest.mark.parametrize("name", ["language", "include[]", "include", "languages[]", "chunking_strategy[type]"])
async def test_fields_in_the_url_are_refused_by_the_names_that_clients_write(edge: Edge, name: str) -> None:
    files, data = {"file": FILE}, {"model": "whisper-1"}
    response = await edge.client.post(PATH, params={name: "server_vad"}, files=files, data=data)
    assert (response.status_code, response.json()["error"]["param"]) == (400, name)
    assert not edge.pipeline.requests


SERVER_VAD = {"chunking_strategy[type]": "server_vad"}


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": ""}, "model", "missing_required_parameter"),
        ({"language": "xx"}, "language", "unsupported_value"),
        ({"language": "english"}, "language", "unsupported_value"),
        ({"languages[]": ["en", "de"]}, "languages", "unsupported_value"),
        ({"languages[]": ["en"], "language": "en"}, "languages", "invalid_value"),
        ({"prompt": "Ray, Serve"}, "prompt", "unsupported_parameter"),
        ({"response_format": "xml"}, "response_format", "invalid_value"),
        ({"temperature": "0.2"}, "temperature", "unsupported_value"),
        ({"temperature": "hot"}, "temperature", "invalid_value"),
        ({"temperature": "nan"}, "temperature", "unsupported_value"),
        ({"timestamp_granularities[]": ["word"]}, "timestamp_granularities", "invalid_value"),
        ({"timestamp_granularities[]": ["segment", "word"]}, "timestamp_granularities", "invalid_value"),
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
    response = await edge.client.post(PATH, **parts)
    assert response.status_code == 400
    assert response.json() == {
        "error": {
            "message": f"Missing required parameter: {param}",
            "type": "invalid_request_error",
            "param": param,
            "code": "missing_required_parameter",
        }
    }
