from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from deployments.contracts import (
    Segment,
    SpeakerCount,
    SpeakerTurn,
    Transcript,
    TranscriptionRequest,
    TranscriptionWarning,
    Usage,
    WarningCode,
    Word,
)
from deployments.errors import AudioTooLong, Overloaded, RayscribeError, UnsupportedAudio
from serve_app.admission import Admission
from serve_app.health import StageHealth
from serve_app.ingress import make_app
from serve_app.services import Services
from serve_app.settings import LimitSettings, Settings

pytestmark = pytest.mark.unit

WORDS = (
    Word("Hello,", 0.1, 0.4, 0.9, "SPEAKER_00"),
    Word("there.", 0.5, 0.9, 0.8, "SPEAKER_00"),
    Word("Yes.", 1.0, 1.3, 0.7, "SPEAKER_01"),
)
SEGMENTS = (
    Segment(0.1, 0.9, "Hello, there.", "en", WORDS[:2], "SPEAKER_00"),
    Segment(1.0, 1.3, "Yes.", "en", WORDS[2:], "SPEAKER_01"),
)


@dataclass
class FakePipeline:
    """Answers every request with one conversation, or with an error."""

    error: RayscribeError | Exception | None = None
    warnings: tuple[TranscriptionWarning, ...] = ()
    requests: list[TranscriptionRequest] = field(default_factory=list)
    audio: list[bytes] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    arrivals: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def __post_init__(self) -> None:
        self.gate.set()

    async def transcribe(self, request: TranscriptionRequest, audio: npt.NDArray[np.uint8]) -> Transcript:
        self.requests.append(request)
        self.audio.append(audio.tobytes())
        self.arrivals.release()
        await self.gate.wait()
        if self.error:
            raise self.error
        turns = (SpeakerTurn("SPEAKER_00", 0.0, 0.95), SpeakerTurn("SPEAKER_01", 0.95, 1.4))
        text = "Hello, there. Yes."
        return Transcript(request.request_id, text, "en", 1.5, SEGMENTS, turns, 20.0, self.warnings, Usage(1.5))


@dataclass
class Service:
    client: httpx.AsyncClient
    pipeline: FakePipeline
    health: StageHealth

    async def listen(self, audio: bytes = b"RIFF", **fields: str) -> httpx.Response:
        return await self.client.post("/v1/listen", files={"audio": ("a.wav", audio)}, data=fields)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    pipeline = FakePipeline()
    health = {"Ingress": 1, "Recognizer": 1}
    settings = Settings(limits=LimitSettings(max_bytes=10_000))

    async def probe() -> StageHealth:
        if not health:
            raise TimeoutError
        return StageHealth(health)

    transport = httpx.ASGITransport(
        make_app(Services(settings, pipeline, probe, Admission(2))), raise_app_exceptions=False
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://rayscribe") as client:
        yield Service(client, pipeline, StageHealth(health))


async def test_the_plain_answer_has_the_documented_fields_and_no_others(service: Service) -> None:
    answer = (await service.listen()).json()
    assert answer.pop("request_id").startswith("req_")
    assert answer == {"text": "Hello, there. Yes.", "confidence": 0.8, "duration": 1.5, "language": "en"}


async def test_the_pipeline_gets_the_bytes_and_the_options(service: Service) -> None:
    await service.listen(b"some audio", diarize="true", num_speakers="2", punctuate="false", language="auto")
    assert service.pipeline.audio == [b"some audio"]
    (request,) = service.pipeline.requests
    assert request.diarize
    assert not request.punctuate
    assert request.language is None
    assert request.speaker_count == SpeakerCount(exact=2)


async def test_words_stand_apart_from_their_punctuation(service: Service) -> None:
    answer = (await service.listen(timestamps="true")).json()
    assert answer["words"][:2] == [
        {"word": "Hello", "start": 0.1, "end": 0.4, "confidence": 0.9},
        {"word": ",", "start": 0.4, "end": 0.4, "confidence": 1.0},
    ]
    assert [entry["word"] for entry in answer["words"]] == ["Hello", ",", "there", ".", "Yes", "."]
    assert "speakers" not in answer


async def test_speakers_are_turns(service: Service) -> None:
    answer = (await service.listen(diarize="true")).json()
    assert answer["speakers"] == [
        {"speaker": "SPEAKER_00", "text": "Hello, there.", "start": 0.0, "end": 0.95},
        {"speaker": "SPEAKER_01", "text": "Yes.", "start": 0.95, "end": 1.4},
    ]
    assert "words" not in answer


async def test_words_name_their_speaker_when_speakers_are_asked_for(service: Service) -> None:
    answer = (await service.listen(timestamps="true", diarize="true")).json()
    speakers = [(entry["word"], entry["speaker"]) for entry in answer["words"]]
    assert speakers[0] == ("Hello", "SPEAKER_00")
    assert speakers[-1] == (".", "SPEAKER_01")


async def test_warnings_are_there_when_there_are_any(service: Service) -> None:
    service.pipeline.warnings = (TranscriptionWarning(WarningCode.AUDIO_TRUNCATED, "cut short"),)
    answer = (await service.listen()).json()
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
        ({"callback_url": "https://example.com"}, "callback_url"),
        ({"url": "https://example.com/a.wav"}, "url"),
        ({"model": "nova"}, "model"),
    ],
)
async def test_a_wrong_parameter_is_a_400_that_names_it(
    service: Service, fields: dict[str, str], parameter: str
) -> None:
    response = await service.listen(b"RIFF", **fields)
    body = response.json()
    assert response.status_code == 400
    assert body["code"] == "INVALID_PARAMETER"
    assert body["parameter"] == parameter
    assert parameter in body["error"]
    assert not service.pipeline.requests


async def test_an_unknown_language_lists_the_known_ones(service: Service) -> None:
    assert (await service.listen(language="de")).json()["supported"] == ["en"]


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
async def test_a_request_without_audio_says_so(service: Service, request_parts: dict[str, Any]) -> None:
    response = await service.client.post("/v1/listen", **request_parts)
    assert (response.status_code, response.json()) == (400, MISSING)


async def test_a_json_body_is_not_read_without_end(service: Service) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 50_000_000:
            read += 10_000
            yield b" " * 10_000

    headers = {"content-type": "application/json"}
    response = await service.client.post("/v1/listen", content=body(), headers=headers)
    assert response.status_code == 400
    assert read < 1_000_000


async def test_a_url_is_refused_by_name_for_now(service: Service) -> None:
    response = await service.client.post("/v1/listen", json={"url": "https://example.com/a.wav"})
    assert response.status_code == 400
    assert response.json()["parameter"] == "url"


async def test_url_and_audio_together_are_refused(service: Service) -> None:
    response = await service.listen(url="https://example.com/a.wav")
    assert response.status_code == 400
    assert "together" in response.json()["error"]


async def test_audio_sent_as_text_is_refused(service: Service) -> None:
    response = await service.client.post("/v1/listen", files={"audio": (None, "hello")})
    assert response.status_code == 400
    assert response.json()["parameter"] == "audio"


async def test_a_part_given_twice_is_refused(service: Service) -> None:
    response = await service.client.post("/v1/listen", files=[("audio", b"one"), ("audio", b"two")])
    assert response.status_code == 400


async def test_a_broken_form_is_refused(service: Service) -> None:
    response = await service.client.post(
        "/v1/listen", content=b"no boundary here", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert response.status_code == 400


TOO_LARGE = {"error": "Audio file too large", "code": "FILE_TOO_LARGE", "max_size_mb": 0}


async def test_a_file_of_exactly_the_limit_is_taken(service: Service) -> None:
    assert (await service.listen(b"x" * 10_000)).status_code == 200


async def test_one_byte_over_the_limit_is_refused(service: Service) -> None:
    response = await service.listen(b"x" * 10_001)
    assert (response.status_code, response.json()) == (422, TOO_LARGE)


async def test_a_declared_length_over_the_limit_is_refused_before_reading(service: Service) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 5_000_000:
            read += 1000
            yield b"x" * 1000

    headers = {"content-type": "multipart/form-data; boundary=x", "content-length": "5000000"}
    response = await service.client.post("/v1/listen", content=body(), headers=headers)
    assert (response.status_code, response.json()) == (422, TOO_LARGE)
    assert read == 0


async def test_a_chunked_upload_is_stopped_at_the_limit(service: Service) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        yield b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n'
        while read < 50_000_000:
            read += 10_000
            yield b"x" * 10_000

    headers = {"content-type": "multipart/form-data; boundary=x"}
    response = await service.client.post("/v1/listen", content=body(), headers=headers)
    assert (response.status_code, response.json()) == (422, TOO_LARGE)
    assert read < 2_000_000


async def test_undecodable_audio_is_a_415_with_the_formats(service: Service) -> None:
    service.pipeline.error = UnsupportedAudio("no audio was found")
    response = await service.listen()
    assert response.status_code == 415
    assert response.json()["code"] == "UNSUPPORTED_FORMAT"
    assert "wav" in response.json()["supported_formats"]


async def test_a_long_recording_is_a_422_with_the_limit(service: Service) -> None:
    service.pipeline.error = AudioTooLong(7200.0)
    response = await service.listen()
    assert response.status_code == 422
    assert response.json()["max_duration_seconds"] == 7200.0


async def test_a_full_service_is_a_503_with_retry_after(service: Service) -> None:
    service.pipeline.error = Overloaded("The recognition queue is full", 7.5)
    response = await service.listen()
    assert response.status_code == 503
    assert response.json() == {
        "error": "The recognition queue is full",
        "code": "SERVICE_UNAVAILABLE",
        "retry_after": 8,
    }
    assert response.headers["retry-after"] == "8"


async def test_a_crowd_is_refused_before_it_is_read_and_let_in_when_it_is_gone(service: Service) -> None:
    service.pipeline.gate.clear()
    held = [asyncio.create_task(service.listen()) for _ in range(2)]
    for _ in held:
        await service.pipeline.arrivals.acquire()
    refused = await service.listen()
    assert refused.status_code == 503
    assert refused.json()["code"] == "SERVICE_UNAVAILABLE"
    assert refused.headers["retry-after"] == "5"
    service.pipeline.gate.set()
    assert [response.status_code for response in await asyncio.gather(*held)] == [200, 200]
    service.pipeline.error = UnsupportedAudio("no audio was found")
    for _ in range(3):
        assert (await service.listen()).status_code == 415
    service.pipeline.error = None
    assert (await service.listen()).status_code == 200


async def test_an_unforeseen_error_tells_nothing(service: Service) -> None:
    service.pipeline.error = ValueError("secret detail")
    response = await service.listen()
    assert response.status_code == 500
    assert response.json() == {"error": "Internal error", "code": "INTERNAL_ERROR"}


async def test_health_follows_the_stages(service: Service) -> None:
    assert (await service.client.get("/health")).json() == {"status": "healthy"}
    assert (await service.client.get("/healthz")).json() == {"ready": True}
    service.health.running["Recognizer"] = 0
    response = await service.client.get("/health")
    assert response.status_code == 503
    assert response.json() == {"status": "unhealthy", "reason": "No ASR workers available"}
    assert (await service.client.get("/healthz")).status_code == 503
    assert (await service.client.get("/api/v1/health")).status_code == 200


async def test_a_controller_that_does_not_answer_is_no_health(service: Service) -> None:
    service.health.running.clear()
    response = await service.client.get("/health")
    assert response.status_code == 503
    assert response.json()["reason"] == "The controller does not answer"
    ready = await service.client.get("/healthz")
    assert (ready.status_code, ready.json()) == (503, {"ready": False})


async def test_detailed_health_names_the_stages(service: Service) -> None:
    body = (await service.client.get("/health?detailed=true")).json()
    assert body["components"] == {"Ingress": "healthy", "Recognizer": "healthy"}
    assert body["version"]


async def test_the_api_page_shows_every_field(service: Service) -> None:
    schema = (await service.client.get("/openapi.json")).json()
    body = schema["paths"]["/v1/listen"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(body["properties"]) == {"audio", "language", "punctuate", "diarize", "num_speakers", "timestamps"}
    assert {"200", "400", "415", "422", "503"} <= set(schema["paths"]["/v1/listen"]["post"]["responses"])
