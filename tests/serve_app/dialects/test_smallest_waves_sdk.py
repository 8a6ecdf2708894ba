"""The vendor's own SDK, and what its documents show, against the service over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from smallestai import SmallestAI
from smallestai.core.api_error import ApiError
from smallestai.environment import SmallestAIEnvironment
from smallestai.waves.errors import (
    BadRequestError,
    ContentTooLargeError,
    ForbiddenError,
    ServiceUnavailableError,
    TooManyRequestsError,
    UnauthorizedError,
)
from smallestai.waves.types import AsyncAccepted, TranscriptionResponse

from deployments.errors import ConcurrencyLimitReached, InsufficientCredits, Overloaded, RayscribeError
from tests.fakes.edge import Edge, FakeAccess, FakeSources
from tests.serve_app.dialects.edge_fixtures import serving

pytestmark = [
    pytest.mark.unit,
    # The SDK looks for names of old versions of websockets.
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]

service = serving(
    lambda: Edge(access=FakeAccess(key="sk_good"), sources=FakeSources({"https://example.com/call.wav": b"fetched"}))
)


def client_of(url: str, key: str = "sk_good") -> SmallestAI:
    environment = SmallestAIEnvironment(atoms=url, waves=url, waves_ws=url.replace("http", "ws"), payment=url)
    return SmallestAI(environment=environment, api_key=key, max_retries=0)


def test_pulse(service: tuple[Edge, str]) -> None:
    answer = client_of(service[1]).waves.speech_to_text.transcribe(
        model="pulse", language="en", request=b"some audio", word_timestamps=True, diarize=True
    )
    assert isinstance(answer, TranscriptionResponse)
    assert answer.transcription == "Hello, there. Yes."
    assert [word.word for word in answer.words or ()] == ["Hello,", "there.", "Yes."]
    assert [each.text for each in answer.utterances or ()] == ["Hello, there.", "Yes."]
    assert answer.metadata
    assert (answer.metadata.duration, answer.metadata.file_size) == (1.5, 10)


def test_pulse_pro(service: tuple[Edge, str]) -> None:
    answer = client_of(service[1]).waves.speech_to_text.transcribe(
        model="pulse-pro", language="en", request=iter([b"some ", b"audio"]), word_timestamps=True, redact_pii="false"
    )
    assert isinstance(answer, TranscriptionResponse)
    assert (answer.language, answer.utterances) == ("en", None)
    assert answer.request_id == service[0].pipeline.requests[-1].request_id
    assert answer.metadata
    assert answer.metadata.num_chunks == 1
    assert [word.confidence for word in answer.words or ()] == [0.9, 0.8, 0.7]


def test_a_url(service: tuple[Edge, str]) -> None:
    # The SDK has no argument for it, but lets the content type be set.
    answer = client_of(service[1]).waves.speech_to_text.transcribe(
        model="pulse",
        language="en",
        request=b'{"url": "https://example.com/call.wav"}',
        request_options={"additional_headers": {"content-type": "application/json"}},
    )
    assert isinstance(answer, TranscriptionResponse)
    assert answer.metadata
    assert answer.metadata.filename == "call.wav"
    assert service[0].pipeline.audio[-1] == b"fetched"


def test_a_webhook(service: tuple[Edge, str]) -> None:
    answer = client_of(service[1]).waves.speech_to_text.transcribe(
        model="pulse-pro",
        language="en",
        request=b"some audio",
        webhook_url="https://example.com/hook",
        webhook_method="POST",
        webhook_extra="order:17",
    )
    assert isinstance(answer, AsyncAccepted)
    assert answer.status == "processing"
    assert answer.request_id == service[0].jobs.jobs["job_0"].order.request.request_id


@pytest.mark.parametrize(
    ("options", "key", "expected"),
    [
        ({"model": "nova"}, "sk_good", BadRequestError),
        ({"language": "de"}, "sk_good", BadRequestError),
        ({"redact_pii": "true"}, "sk_good", BadRequestError),
        ({}, "sk_bad", UnauthorizedError),
        ({"request": b"x" * 10_001}, "sk_good", ContentTooLargeError),
    ],
)
def test_wrong_requests_raise_the_sdks_errors(
    service: tuple[Edge, str], options: dict[str, Any], key: str, expected: type[ApiError]
) -> None:
    call = client_of(service[1], key).waves.speech_to_text.transcribe
    with pytest.raises(expected) as caught:
        call(**{"model": "pulse", "language": "en", "request": b"RIFF", **options})
    message = caught.value.body.error if expected is ContentTooLargeError else caught.value.body["error"]
    assert message


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InsufficientCredits(), ForbiddenError),
        (ConcurrencyLimitReached(10, 1), TooManyRequestsError),
        (Overloaded("The recognition queue is full"), ServiceUnavailableError),
    ],
)
def test_refusals_raise_the_sdks_errors(
    service: tuple[Edge, str], error: RayscribeError, expected: type[ApiError]
) -> None:
    edge, url = service
    edge.access.error = error
    try:
        with pytest.raises(expected):
            client_of(url).waves.speech_to_text.transcribe(model="pulse", language="en", request=b"RIFF")
    finally:
        edge.access.error = None
