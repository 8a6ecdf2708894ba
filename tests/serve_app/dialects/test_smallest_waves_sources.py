"""The Waves API fetches recordings, and calls back with their answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from deployments.errors import InvalidParameter, SourceForbidden, SourceUnreachable
from serve_app.dialects.registry import CALLBACK_FORMS
from serve_app.jobs.contracts import Callback, JobFailure
from tests.fakes.edge import Edge
from tests.serve_app.dialects.smallest_waves import HOOK, PATH, stt

pytestmark = pytest.mark.unit

URL = "https://example.com/calls/one%20call.wav?signature=secret"


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


async def test_a_key_of_a_bucket_is_a_name_as_it_stands(edge: Edge) -> None:
    url = "s3://recordings/calls/100%25 sure?.wav"
    edge.sources.files[url] = b"fetched"
    response = await edge.client.post(PATH, params={"model": "pulse"}, json={"url": url})
    assert response.json()["metadata"]["filename"] == "100%25 sure?.wav"


async def test_a_webhook_that_cannot_be_called_is_told_before_audio_is_fetched(edge: Edge) -> None:
    response = await edge.client.post(PATH, params={"model": "pulse", "webhook_url": "ftp://x/"}, json={"url": URL})
    assert (response.status_code, response.json()["errors"][0]["path"]) == (400, ["webhook_url"])
    assert not edge.sources.fetched


async def test_json_that_does_not_say_so_is_told_what_to_say(edge: Edge) -> None:
    """As curl sends it by default."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = await edge.client.post(PATH, params={"model": "pulse"}, content=f'{{"url":"{URL}"}}', headers=headers)
    assert response.status_code == 400
    assert "Content-Type: application/json" in response.text
    assert not edge.pipeline.requests


@pytest.mark.parametrize(("headers", "told"), [({"x-expire-content": "true"}, "unavailable"), ({}, None)])
async def test_a_wish_that_content_expires_is_answered(edge: Edge, headers: dict[str, str], told: str | None) -> None:
    response = await edge.client.post(PATH, params={"model": "pulse"}, content=b"RIFF", headers=headers)
    assert (response.status_code, response.headers.get("x-content-expiry")) == (200, told)
