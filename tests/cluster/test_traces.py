"""One trace for everything that is done for a request, in whichever process."""

from __future__ import annotations

import asyncio
import json
import secrets

import pytest
from websockets.asyncio.client import connect

from deployments.contracts import SAMPLE_RATE_HZ
from tests.cluster.service import RunningService, eventually
from tests.cluster.test_live import LIVE, STEP_BYTES, messages_of, socket_url, speech
from tests.fakes.audio_files import encode_wav
from tests.fakes.recordings import recording
from tests.fakes.trace_collector import SentSpan, TraceCollector
from tests.fakes.web import Web

pytestmark = pytest.mark.cluster

Trace = dict[str, list[SentSpan]]

AUDIO = encode_wav(recording("two_cities")[: 5 * SAMPLE_RATE_HZ])
CALLER = "00f067aa0ba902b7"
KEY = "rs_a-key-that-must-not-be-in-a-span"
SAID = "best of times"
STAGES = ("decode", "speech_gate", "recognition", "diarization", "refinement")


def new_trace() -> str:
    return secrets.token_hex(16)


def headers(trace_id: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace_id}-{CALLER}-01"}


def awaited(collector: TraceCollector, trace_id: str, *names: str) -> Trace:
    """The trace, when spans of all these names have come."""
    assert eventually(lambda: set(names) <= set(collector.trace(trace_id)), 30), collector.trace(trace_id)
    return collector.trace(trace_id)


def only(spans: list[SentSpan]) -> SentSpan:
    [span] = spans
    return span


def check_stages(trace: Trace, parent: SentSpan) -> None:
    """Each stage did its part under this span, and the recogniser's batches are linked with its calls."""
    for stage in STAGES:
        assert {span.parent_id for span in trace[stage]} == {parent.span_id}, stage
        assert not any(span.failed for span in trace[stage])
    calls = {span.span_id: span for span in trace["recognition"]}
    batches = {span.span_id: span for span in trace["batch"]}
    for batch in batches.values():
        assert batch.parent_id in calls
        assert batch.parent_id in batch.links
    for call in calls.values():
        assert call.links
        assert call.links <= batches.keys()
    assert only(trace["decode"]).attributes["rayscribe.audio_s"] == pytest.approx(5.0, abs=0.1)


def test_a_request_and_every_stage_are_one_trace_of_the_caller(
    service: RunningService, collector: TraceCollector
) -> None:
    trace_id = new_trace()
    answer = service.client.post(
        "/v1/listen",
        files={"audio": AUDIO},
        data={"diarize": "true"},
        headers=headers(trace_id) | {"authorization": f"Bearer {KEY}"},
    )
    assert SAID in answer.json()["text"].lower()
    trace = awaited(collector, trace_id, "POST /v1/listen", "transcribe", "batch", *STAGES)
    request, transcribe = only(trace["POST /v1/listen"]), only(trace["transcribe"])
    assert request.parent_id == CALLER
    assert request.attributes["http.response.status_code"] == 200
    assert transcribe.parent_id == request.span_id
    check_stages(trace, transcribe)
    assert KEY not in collector.text
    assert SAID not in collector.text.lower()


def test_a_request_without_a_trace_is_one_of_its_own(
    service: RunningService, web: Web, collector: TraceCollector
) -> None:
    web.files["/secret-name.wav"] = AUDIO
    url = web.url.replace("http://", "http://anna:hunter2@")
    answer = service.client.post("/v1/listen", json={"url": f"{url}/secret-name.wav"}).json()

    def mine() -> list[str]:
        return [
            span.trace_id
            for span in collector.spans()
            if span.attributes.get("rayscribe.request_id") == answer["request_id"]
        ]

    assert eventually(lambda: bool(mine()), 30)
    [trace_id] = mine()
    trace = awaited(collector, trace_id, "POST /v1/listen", "fetch", "decode", "recognition", "refinement")
    request = only(trace["POST /v1/listen"])
    assert request.parent_id == ""
    assert only(trace["fetch"]).parent_id == request.span_id
    assert only(trace["fetch"]).attributes["rayscribe.bytes"] == len(AUDIO)
    assert "hunter2" not in collector.text
    assert "secret-name" not in collector.text


def test_a_live_session_is_one_trace_with_a_span_for_each_utterance(
    service: RunningService, collector: TraceCollector
) -> None:
    trace_id = new_trace()

    async def conversation() -> int:
        async with connect(socket_url(service.url) + LIVE, additional_headers=headers(trace_id)) as socket:
            audio = speech(6)
            for start in range(0, len(audio), STEP_BYTES):
                await socket.send(audio[start : start + STEP_BYTES])
                await asyncio.sleep(0.05)
            await socket.send(json.dumps({"type": "close_stream"}))
            said = [message async for message in messages_of(socket)]
        return sum(message["is_final"] and bool(message["transcript"]) for message in said)

    finals = asyncio.run(conversation())
    route = f"GET {LIVE.partition('?')[0]}"
    trace = awaited(collector, trace_id, route, "utterance", "recognition", "refinement")
    session, utterances = only(trace[route]), {span.span_id for span in trace["utterance"]}
    assert session.parent_id == CALLER
    assert session.attributes["rayscribe.close_code"] == 1000
    assert {span.parent_id for span in trace["utterance"]} == {session.span_id}
    # An utterance may be tried before its end, and again; what is recognised for partial texts is left out.
    assert 0 < finals <= len(utterances)
    assert eventually(lambda: finals <= len(collector.trace(trace_id)["recognition"]), 30)
    assert {span.parent_id for span in collector.trace(trace_id)["recognition"]} <= utterances


def test_a_job_and_its_webhook_go_on_with_the_trace_of_their_request(
    service: RunningService, web: Web, collector: TraceCollector
) -> None:
    trace_id = new_trace()
    data = {"callback_url": f"{web.url}/hook-traced", "diarize": "true"}
    assert service.client.post("/v1/listen", files={"audio": AUDIO}, data=data, headers=headers(trace_id)).is_success
    trace = awaited(collector, trace_id, "POST /v1/listen", "job", "transcribe", "batch", "webhook", *STAGES)
    request, job, webhook = (only(trace[name]) for name in ("POST /v1/listen", "job", "webhook"))
    assert request.parent_id == CALLER
    assert {job.parent_id, webhook.parent_id} == {request.span_id}
    assert job.attributes["rayscribe.attempt"] == 1
    transcribe = only(trace["transcribe"])
    assert transcribe.parent_id == job.span_id
    check_stages(trace, transcribe)
    [hook] = [hook for hook in web.received if hook.path == "/hook-traced"]
    sent = {name.lower(): value for name, value in hook.headers.items()}
    assert sent["traceparent"] == f"00-{trace_id}-{webhook.span_id}-01"
