"""What stands in the way of a transcription is told in the self-hosted API's words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

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
from tests.fakes.edge import Edge
from tests.serve_app.dialects.smallest_selfhost import listen

pytestmark = pytest.mark.unit


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
