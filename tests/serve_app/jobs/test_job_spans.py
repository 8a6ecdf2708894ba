from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from opentelemetry.trace import SpanKind, StatusCode

from deployments.contracts import TraceContext
from deployments.errors import StageLost
from deployments.tracing import begun_span
from serve_app.jobs.contracts import Job
from serve_app.jobs.desk import StoredJobs
from serve_app.jobs.rows import ORDER
from serve_app.jobs.sender import WebhookSender
from serve_app.jobs.worker import JobWorker
from serve_app.outbound.client import Acknowledgement
from serve_app.outbound.guard import AddressGuard
from serve_app.settings import WebhookSettings
from tests.fakes.job_bench import JobBench, order, visit
from tests.fakes.job_pipeline import GatedPipeline
from tests.fakes.spans import TRACE_ID, TRACEPARENT, collected_spans, id_of, trace_id_of
from tests.fakes.webhook import deliver

pytestmark = pytest.mark.unit


@dataclass
class Webhook:
    """Answers with the statuses that it has, in order."""

    statuses: list[int]
    headers: list[dict[str, str]] = field(default_factory=list)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> Acknowledgement:
        self.headers.append(dict(headers))
        return Acknowledgement(self.statuses.pop(0))


async def accept(bench: JobBench) -> Job:
    desk = StoredJobs(bench.store, bench.audio, AddressGuard(), lambda: bench.clock.now_s)
    return await desk.accept(visit("ann"), order("req_1"), np.zeros(10, np.uint8))


async def work(bench: JobBench, pipeline: GatedPipeline) -> None:
    ended = asyncio.Semaphore(0)
    worker = JobWorker(bench.queue, bench.audio, pipeline, 1, on_end=ended.release, fraction=lambda: 0.0)
    pipeline.gate.set()
    await worker.fill()
    await ended.acquire()


async def test_a_job_and_its_webhooks_go_on_with_the_trace_of_the_request_that_brought_it(bench: JobBench) -> None:
    webhook = Webhook([500, 204])
    with collected_spans() as spans:
        with begun_span("request", TraceContext(TRACEPARENT, "vendor=opaque")):
            job = await accept(bench)
        await work(bench, GatedPipeline())
        for _ in range(2):
            await deliver(WebhookSender(bench.outbox, webhook, WebhookSettings()))
            bench.pass_time(2)
    assert spans.names == ["request", "job", "webhook", "webhook"]
    request, *later = spans.spans
    for span in later:
        assert trace_id_of(span) == TRACE_ID
        assert span.parent is not None
        assert span.parent.span_id == id_of(request)
        assert span.parent.trace_state["vendor"] == "opaque"
    _, attempt, again = later
    assert spans.named("job").kind is SpanKind.CONSUMER
    assert dict(spans.named("job").attributes or {}) == {"rayscribe.job_id": job.id, "rayscribe.attempt": 1}
    assert dict(attempt.attributes or {}) == {"rayscribe.attempt": 1, "rayscribe.outcome": "refused"}
    assert dict(again.attributes or {}) == {"rayscribe.attempt": 2, "rayscribe.outcome": "delivered"}
    # The receiver can go on with it.
    for headers, span in zip(webhook.headers, (attempt, again), strict=True):
        assert headers["traceparent"] == f"{TRACEPARENT[:36]}{id_of(span):016x}-01"
        assert headers["tracestate"] == "vendor=opaque"


async def test_the_trace_of_a_client_reaches_its_webhook_even_if_nobody_here_traces(bench: JobBench) -> None:
    webhook = Webhook([204])
    with begun_span("request", TraceContext(TRACEPARENT)):
        await accept(bench)
    await work(bench, GatedPipeline())
    await deliver(WebhookSender(bench.outbox, webhook, WebhookSettings()))
    assert webhook.headers[0]["traceparent"].startswith(TRACEPARENT[:36])


async def test_a_job_of_a_request_without_a_trace_has_one_of_its_own(bench: JobBench) -> None:
    job = await accept(bench)
    assert job.order.trace is None
    with collected_spans() as spans:
        await work(bench, GatedPipeline())
    assert spans.names == ["job"]
    assert spans.named("job").parent is None


async def test_an_attempt_that_fails_is_told_by_its_class(bench: JobBench) -> None:
    await accept(bench)
    with collected_spans() as spans:
        await work(bench, GatedPipeline(error=StageLost("some words")))
    assert spans.attribute("job", "error.type") == "stage_lost"
    assert spans.named("job").status.status_code is StatusCode.ERROR
    assert "some words" not in spans.named("job").to_json()


def test_an_order_that_was_written_down_before_there_were_traces_can_be_read() -> None:
    written = ORDER.dump_python(order("req_1"), mode="json")
    del written["trace"]
    assert ORDER.validate_json(json.dumps(written)) == order("req_1")
