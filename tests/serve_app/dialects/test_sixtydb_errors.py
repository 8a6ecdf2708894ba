"""What stands in the way of a transcription is told in 60db's words."""

from __future__ import annotations

import pytest

from deployments.errors import (
    AudioTooLong,
    ConcurrencyLimitReached,
    InsufficientCredits,
    Overloaded,
    QuotaExceeded,
    RateLimitReached,
    RayscribeError,
    UnsupportedAudio,
)
from serve_app.access.plans import Plan
from serve_app.access.visit import RateState
from serve_app.settings import LimitSettings, Settings
from tests.fakes.edge import Edge, FakePipeline
from tests.serve_app.dialects.sixtydb import stt

pytestmark = pytest.mark.unit


async def test_a_key_is_asked_for_before_anything_is_read(edge: Edge) -> None:
    edge.access.key = "sk_live_good"
    for path, call in (
        ("/stt", edge.client.post),
        ("/stt/models", edge.client.get),
        ("/stt/languages", edge.client.get),
    ):
        response = await call(path)
        assert (response.status_code, response.json()["error_code"]) == (401, "UNAUTHENTICATED")
    headers = {"authorization": "Bearer sk_live_good"}
    assert (await edge.client.post("/stt", files={"file": b"RIFF"}, headers=headers)).status_code == 200
    assert (await edge.client.get("/stt/models", headers=headers)).status_code == 200
    assert edge.access.dialects == ["sixtydb"]


@pytest.mark.parametrize(
    ("error", "status", "code", "details", "retry_after"),
    [
        (ConcurrencyLimitReached(8, 0.5), 429, "STT_CONCURRENCY_LIMIT", {"limit": 8}, "1"),
        (RateLimitReached(60, 12.3), 429, "STT_UPSTREAM_RATE_LIMIT", {"limit": 60, "retry_after_sec": 13}, "13"),
        (QuotaExceeded(100, 60), 403, "QUOTA_EXCEEDED", {"retry_after_sec": 60}, "60"),
        (InsufficientCredits(), 402, "INSUFFICIENT_CREDITS", {}, None),
        (Overloaded("Full", 2), 503, "STT_UPSTREAM_UNAVAILABLE", {"retry_after_sec": 2}, "2"),
    ],
)
async def test_limits_answer_in_the_vendors_words(
    edge: Edge, error: RayscribeError, status: int, code: str, details: dict[str, int], retry_after: str | None
) -> None:
    edge.access.error = error
    response = await stt(edge)
    body = response.json()
    assert (response.status_code, body["error_code"], body["details"]) == (status, code, details)
    assert response.headers.get("retry-after") == retry_after


async def test_the_rate_is_told(edge: Edge) -> None:
    edge.access.rate = RateState(60, 42, 10.0)
    assert (await stt(edge)).headers["x-ratelimit-remaining"] == "42"


async def test_a_feature_that_the_plan_lacks_is_a_403(edge: Edge) -> None:
    edge.access.plan = Plan(features=frozenset())
    response = await stt(edge, diarize="true")
    assert (response.status_code, response.json()["error_code"]) == (403, "FEATURE_NOT_IN_PLAN")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnsupportedAudio("no audio was found"), 415, "UNSUPPORTED_AUDIO"),
        (AudioTooLong(3600.0), 413, "AUDIO_TOO_LONG"),
        (ValueError("secret detail"), 500, "INTERNAL_ERROR"),
    ],
)
async def test_audio_that_is_not_taken(edge: Edge, error: Exception, status: int, code: str) -> None:
    edge.pipeline.error = error
    response = await stt(edge)
    assert (response.status_code, response.json()["error_code"]) == (status, code)
    assert "secret" not in response.text


async def test_this_api_has_limits_of_its_own() -> None:
    limits = LimitSettings(dialect_max_bytes={"sixtydb": 100}, dialect_max_duration_s={"sixtydb": 5.0})
    edge = Edge(settings=Settings(limits=limits), pipeline=FakePipeline())
    async with edge.client:
        assert (await stt(edge, b"x" * 100)).status_code == 200
        assert edge.pipeline.requests[0].max_duration_s == 5.0
        refused = await stt(edge, b"x" * 101)
    assert refused.status_code == 413
    assert refused.json()["details"] == {"max_bytes": 100}


async def test_the_api_page_shows_no_refusal_of_a_context_for_there_is_none(edge: Edge) -> None:
    examples = edge.app.openapi()["paths"]["/stt"]["post"]["responses"]["400"]["content"]["application/json"]
    named = {example["value"]["details"]["parameter"] for example in examples["examples"].values()}
    assert named == {"file", "keywords", "language"}
    assert (await stt(edge, context="A call about a modem")).status_code == 200
