"""What stands in the way of a transcription is told in OpenAI's words."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

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
from serve_app.settings import Settings
from tests.fakes.edge import Edge
from tests.fakes.openai_sdk import openai_client
from tests.serve_app.dialects.openai_transcriptions import FILE, post

pytestmark = pytest.mark.unit


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
