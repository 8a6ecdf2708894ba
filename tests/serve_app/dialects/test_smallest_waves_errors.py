"""What stands in the way of a transcription is told in the words of the Waves API."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deployments.errors import (
    AudioTooLong,
    ConcurrencyLimitReached,
    FeatureNotInPlan,
    InsufficientCredits,
    Overloaded,
    QuotaExceeded,
    RateLimitReached,
    UnsupportedAudio,
)
from serve_app.access.plans import Plan
from tests.fakes.edge import Edge
from tests.serve_app.dialects.smallest_waves import PATH, stt

pytestmark = pytest.mark.unit


async def test_an_empty_body_is_no_recording(edge: Edge) -> None:
    response = await stt(edge, b"")
    assert response.status_code == 400
    assert response.json()["errors"][0]["path"] == ["body"]


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
