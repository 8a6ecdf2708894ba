from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from deployments.contracts import SpeakerCount, TranscriptionWarning, WarningCode
from deployments.errors import (
    AudioTooLong,
    ConcurrencyLimitReached,
    InsufficientCredits,
    Overloaded,
    QuotaExceeded,
    RateLimitReached,
    SourceForbidden,
    SourceUnreachable,
    UnsupportedAudio,
)
from serve_app.access.plans import Plan
from serve_app.access.visit import RateState
from serve_app.dialects.registry import CALLBACK_FORMS
from serve_app.jobs.contracts import Callback, JobFailure
from tests.fakes.edge import Edge

pytestmark = pytest.mark.unit


async def listen(edge: Edge, audio: bytes = b"RIFF", **fields: str) -> httpx.Response:
    return await edge.client.post("/v1/listen", files={"audio": ("a.wav", audio)}, data=fields)


async def test_the_plain_answer_has_the_documented_fields_and_no_others(edge: Edge) -> None:
    answer = (await listen(edge)).json()
    assert answer.pop("request_id") == edge.pipeline.requests[0].request_id
    assert answer == {"text": "Hello, there. Yes.", "confidence": 0.8, "duration": 1.5, "language": "en"}


async def test_the_pipeline_gets_the_bytes_and_the_options(edge: Edge) -> None:
    await listen(edge, b"some audio", diarize="true", num_speakers="2", punctuate="false", language="auto")
    assert edge.pipeline.audio == [b"some audio"]
    (request,) = edge.pipeline.requests
    assert request.diarize
    assert not request.punctuate
    assert request.language is None
    assert request.speaker_count == SpeakerCount(exact=2)


async def test_words_stand_apart_from_their_punctuation(edge: Edge) -> None:
    answer = (await listen(edge, timestamps="true")).json()
    assert answer["words"][:2] == [
        {"word": "Hello", "start": 0.1, "end": 0.4, "confidence": 0.9},
        {"word": ",", "start": 0.4, "end": 0.4, "confidence": 1.0},
    ]
    assert [entry["word"] for entry in answer["words"]] == ["Hello", ",", "there", ".", "Yes", "."]
    assert "speakers" not in answer


async def test_speakers_are_turns(edge: Edge) -> None:
    answer = (await listen(edge, diarize="true")).json()
    assert answer["speakers"] == [
        {"speaker": "SPEAKER_00", "text": "Hello, there.", "start": 0.0, "end": 0.95},
        {"speaker": "SPEAKER_01", "text": "Yes.", "start": 0.95, "end": 1.4},
    ]
    assert "words" not in answer


async def test_words_name_their_speaker_when_speakers_are_asked_for(edge: Edge) -> None:
    answer = (await listen(edge, timestamps="true", diarize="true")).json()
    speakers = [(entry["word"], entry["speaker"]) for entry in answer["words"]]
    assert speakers[0] == ("Hello", "SPEAKER_00")
    assert speakers[-1] == (".", "SPEAKER_01")


async def test_warnings_are_there_when_there_are_any(edge: Edge) -> None:
    edge.pipeline.warnings = (TranscriptionWarning(WarningCode.AUDIO_TRUNCATED, "cut short"),)
    answer = (await listen(edge)).json()
    assert answer["warnings"] == [{"code": "audio_truncated", "message": "cut short"}]


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"language": "xx"}, "language"),
        ({"language": "de"}, "language"),
        ({"diarize": "maybe"}, "diarize"),
        ({"diarize": "true", "num_speakers": "two"}, "num_speakers"),
        ({"diarize": "true", "num_speakers": "0"}, "num_speakers"),
        ({"diarize": "true", "num_speakers": "1000"}, "num_speakers"),
        ({"num_speakers": "2"}, "num_speakers"),
        ({"timestamps": "1.5"}, "timestamps"),
        ({"model": "nova"}, "model"),
    ],
)
async def test_a_wrong_parameter_is_a_400_that_names_it(edge: Edge, fields: dict[str, str], parameter: str) -> None:
    response = await listen(edge, b"RIFF", **fields)
    body = response.json()
    assert response.status_code == 400
    assert body["code"] == "INVALID_PARAMETER"
    assert body["parameter"] == parameter
    assert parameter in body["error"]
    assert not edge.pipeline.requests


async def test_an_unknown_language_lists_the_known_ones(edge: Edge) -> None:
    assert (await listen(edge, language="de")).json()["supported"] == ["en"]


MISSING = {"error": "Missing required parameter: url or audio file", "code": "MISSING_PARAMETER"}


@pytest.mark.parametrize(
    "request_parts",
    [
        {},
        {"content": b""},
        {"content": b"RIFF....", "headers": {"content-type": "audio/wav"}},
        {"json": {}},
        {"json": {"language": "en"}},
        {"files": {"language": (None, "en")}},
    ],
)
async def test_a_request_without_audio_says_so(edge: Edge, request_parts: dict[str, Any]) -> None:
    response = await edge.client.post("/v1/listen", **request_parts)
    assert (response.status_code, response.json()) == (400, MISSING)


async def test_a_json_body_is_not_read_without_end(edge: Edge) -> None:
    read = read_when_refused = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 500_000_000:
            read += 10_000
            yield b" " * 10_000

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            nonlocal read_when_refused
            if message["type"] == "http.response.start":
                read_when_refused = read
            await send(message)

        await edge.app(scope, receive, sent)

    transport = httpx.ASGITransport(noting)
    async with httpx.AsyncClient(transport=transport, base_url=edge.client.base_url) as client:
        response = await client.post("/v1/listen", content=body(), headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert 0 < read_when_refused < 1_000_000
    # The rest is thrown away, so that the client hears the refusal.
    assert read < 35_000_000


URL = "https://example.com/a.wav"


async def test_a_url_is_fetched(edge: Edge) -> None:
    edge.sources.files[URL] = b"fetched"
    response = await edge.client.post("/v1/listen", json={"url": URL, "timestamps": True, "num_speakers": None})
    assert response.status_code == 200
    assert edge.pipeline.audio == [b"fetched"]
    assert "words" in response.json()


async def test_a_url_may_come_in_a_form(edge: Edge) -> None:
    edge.sources.files[URL] = b"fetched"
    response = await edge.client.post("/v1/listen", files={"url": (None, URL)})
    assert response.status_code == 200
    assert edge.pipeline.audio == [b"fetched"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SourceForbidden("the address is private"), "URL_NOT_ALLOWED"),
        (SourceUnreachable("example.com does not answer"), "URL_FETCH_FAILED"),
    ],
)
async def test_a_url_that_cannot_be_fetched_is_a_400_that_says_why(edge: Edge, error: Exception, code: str) -> None:
    edge.sources.error = error  # type: ignore[assignment]
    response = await edge.client.post("/v1/listen", json={"url": URL})
    assert (response.status_code, response.json()["code"]) == (400, code)


async def test_a_wrong_parameter_is_found_before_the_url_is_fetched(edge: Edge) -> None:
    response = await edge.client.post("/v1/listen", json={"url": URL, "language": "de"})
    assert response.status_code == 400
    assert edge.sources.fetched == []


HOOK = "https://example.com/hook"


async def test_a_callback_is_answered_with_a_job(edge: Edge) -> None:
    response = await listen(edge, b"some audio", callback_url=HOOK, timestamps="true")
    assert response.json() == {"job_id": "job_0", "status": "processing"}
    job = edge.jobs.jobs["job_0"]
    assert job.order.callback == Callback(HOOK)
    assert edge.jobs.audio["job_0"] == b"some audio"
    assert edge.pipeline.requests == []


async def test_the_webhook_carries_the_whole_answer(edge: Edge) -> None:
    plain = (await listen(edge, timestamps="true")).json()
    await listen(edge, callback_url=HOOK, timestamps="true")
    job = edge.jobs.jobs["job_0"]
    transcript = edge.meter.transcripts[0]
    body = CALLBACK_FORMS["smallest_selfhost"].completed(job, transcript)
    assert json.loads(json.dumps(body)) == {"job_id": "job_0", "status": "completed", "result": plain}
    failed = CALLBACK_FORMS["smallest_selfhost"].failed(job, JobFailure("UnsupportedAudio", "no audio was found"))
    assert failed == {"job_id": "job_0", "status": "failed", "error": "no audio was found"}


async def test_a_key_is_asked_for_before_anything_is_read(edge: Edge) -> None:
    edge.access.key = "rs_good"
    for headers in ({}, {"authorization": "Token rs_bad"}, {"authorization": "Basic rs_good"}):
        response = await edge.client.post("/v1/listen", files={"audio": b"RIFF"}, headers=headers)
        assert response.status_code == 401
        assert response.json() == {"error": "Invalid license key", "code": "INVALID_LICENSE"}
    for scheme in ("Token", "Bearer", "token"):
        headers = {"authorization": f"{scheme} rs_good"}
        assert (await edge.client.post("/v1/listen", files={"audio": b"RIFF"}, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (ConcurrencyLimitReached(10, 0.5), 429, "RATE_LIMIT_EXCEEDED", "1"),
        (RateLimitReached(60, 12.3), 429, "RATE_LIMIT_EXCEEDED", "13"),
        (QuotaExceeded(100, 60), 403, "QUOTA_EXCEEDED", "60"),
        (InsufficientCredits(), 402, "INSUFFICIENT_CREDITS", None),
    ],
)
async def test_limits_answer_in_the_vendors_words(
    edge: Edge, error: Any, status: int, code: str, retry_after: str | None
) -> None:
    edge.access.error = error
    response = await listen(edge)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers.get("retry-after") == retry_after


async def test_a_feature_that_the_plan_lacks_is_a_403_that_names_the_parameter(edge: Edge) -> None:
    edge.access.plan = Plan(features=frozenset())
    response = await listen(edge, diarize="true")
    assert response.status_code == 403
    assert response.json()["parameter"] == "diarize"


async def test_the_rate_is_told_on_answers_and_errors(edge: Edge) -> None:
    edge.access.rate = RateState(60, 42, 10.0)
    for response in (await listen(edge), await listen(edge, language="xx")):
        assert response.headers["x-ratelimit-limit"] == "60"
        assert response.headers["x-ratelimit-remaining"] == "42"
        assert int(response.headers["x-ratelimit-reset"]) > 1_700_000_000


async def test_what_cannot_be_metered_is_not_answered(edge: Edge) -> None:
    edge.meter.error = Overloaded("The database does not answer", 3)
    assert (await listen(edge)).status_code == 503


async def test_url_and_audio_together_are_refused(edge: Edge) -> None:
    response = await listen(edge, url="https://example.com/a.wav")
    assert response.status_code == 400
    assert "together" in response.json()["error"]


async def test_audio_sent_as_text_is_refused(edge: Edge) -> None:
    response = await edge.client.post("/v1/listen", files={"audio": (None, "hello")})
    assert response.status_code == 400
    assert response.json()["parameter"] == "audio"


async def test_a_part_given_twice_is_refused(edge: Edge) -> None:
    response = await edge.client.post("/v1/listen", files=[("audio", b"one"), ("audio", b"two")])
    assert response.status_code == 400


async def test_a_broken_form_is_refused(edge: Edge) -> None:
    response = await edge.client.post(
        "/v1/listen", content=b"no boundary here", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert response.status_code == 400


TOO_LARGE = {"error": "Audio file too large", "code": "FILE_TOO_LARGE", "max_size_mb": 0}


async def test_a_file_of_exactly_the_limit_is_taken(edge: Edge) -> None:
    assert (await listen(edge, b"x" * 10_000)).status_code == 200


async def test_one_byte_over_the_limit_is_refused(edge: Edge) -> None:
    response = await listen(edge, b"x" * 10_001)
    assert (response.status_code, response.json()) == (422, TOO_LARGE)


async def test_a_declared_length_over_the_limit_is_refused_before_reading(edge: Edge) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 5_000_000:
            read += 1000
            yield b"x" * 1000

    headers = {"content-type": "multipart/form-data; boundary=x", "content-length": "5000000"}
    response = await edge.client.post("/v1/listen", content=body(), headers=headers)
    assert (response.status_code, response.json()) == (422, TOO_LARGE)
    assert read == 0


async def test_a_chunked_upload_is_stopped_at_the_limit(edge: Edge) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        yield b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n'
        while read < 50_000_000:
            read += 10_000
            yield b"x" * 10_000

    headers = {"content-type": "multipart/form-data; boundary=x"}
    response = await edge.client.post("/v1/listen", content=body(), headers=headers)
    assert (response.status_code, response.json()) == (422, TOO_LARGE)
    assert read < 2_000_000


async def test_undecodable_audio_is_a_415_with_the_formats(edge: Edge) -> None:
    edge.pipeline.error = UnsupportedAudio("no audio was found")
    response = await listen(edge)
    assert response.status_code == 415
    assert response.json()["code"] == "UNSUPPORTED_FORMAT"
    assert "wav" in response.json()["supported_formats"]


async def test_a_long_recording_is_a_422_with_the_limit(edge: Edge) -> None:
    edge.pipeline.error = AudioTooLong(7200.0)
    response = await listen(edge)
    assert response.status_code == 422
    assert response.json()["max_duration_seconds"] == 7200.0


async def test_a_full_service_is_a_503_with_retry_after(edge: Edge) -> None:
    edge.pipeline.error = Overloaded("The recognition queue is full", 7.5)
    response = await listen(edge)
    assert response.status_code == 503
    assert response.json() == {
        "error": "The recognition queue is full",
        "code": "SERVICE_UNAVAILABLE",
        "retry_after": 8,
    }
    assert response.headers["retry-after"] == "8"


async def test_a_crowd_is_refused_before_it_is_read_and_let_in_when_it_is_gone(edge: Edge) -> None:
    edge.pipeline.gate.clear()
    held = [asyncio.create_task(listen(edge)) for _ in range(2)]
    for _ in held:
        await edge.pipeline.arrivals.acquire()
    refused = await listen(edge)
    assert refused.status_code == 503
    assert refused.json()["code"] == "SERVICE_UNAVAILABLE"
    assert refused.headers["retry-after"] == "5"
    edge.pipeline.gate.set()
    assert [response.status_code for response in await asyncio.gather(*held)] == [200, 200]
    edge.pipeline.error = UnsupportedAudio("no audio was found")
    for _ in range(3):
        assert (await listen(edge)).status_code == 415
    edge.pipeline.error = None
    assert (await listen(edge)).status_code == 200


async def test_an_unforeseen_error_tells_nothing(edge: Edge) -> None:
    edge.pipeline.error = ValueError("secret detail")
    response = await listen(edge)
    assert response.status_code == 500
    assert response.json() == {"error": "Internal error", "code": "INTERNAL_ERROR"}


async def test_the_api_page_shows_every_field(edge: Edge) -> None:
    schema = (await edge.client.get("/openapi.json")).json()
    body = schema["paths"]["/v1/listen"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    options = {"language", "punctuate", "diarize", "num_speakers", "timestamps", "url", "callback_url"}
    assert set(body["properties"]) == {"audio", *options}
    assert {"200", "400", "415", "422", "503"} <= set(schema["paths"]["/v1/listen"]["post"]["responses"])
