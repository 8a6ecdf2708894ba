from __future__ import annotations

import asyncio

import numpy as np
import pytest

from deployments.errors import RayscribeError, SourceUnreachable, StageLost, UnsupportedAudio
from deployments.signal_table import JOB_ATTEMPTS, JOBS_IN, JOBS_OLDEST, WEBHOOK_ATTEMPTS, WEBHOOK_TIME, WEBHOOKS_IN
from serve_app.jobs.census import Census
from serve_app.jobs.sender import WebhookSender
from serve_app.jobs.worker import JobWorker
from serve_app.outbound.client import Acknowledgement
from serve_app.settings import WebhookSettings
from tests.fakes.job_bench import JobBench, transcript_of
from tests.fakes.job_pipeline import GatedPipeline
from tests.fakes.signals import RecordedSignals
from tests.fakes.webhook import FakeWebhook, deliver

pytestmark = pytest.mark.unit


async def test_the_census_knows_every_state(bench: JobBench) -> None:
    signals = RecordedSignals()
    census = Census(bench.database, signals, bench.clock)
    await census.take()
    assert signals.level(JOBS_OLDEST) == 0
    done = await bench.accept()
    claim = await bench.queue.claim()
    assert claim is not None
    await bench.queue.complete(claim, transcript_of(done.order.request))
    await bench.accept()
    await bench.accept()
    bench.pass_time(30)
    await census.take()
    levels = {state: signals.level(JOBS_IN, state) for state in ("queued", "running", "completed", "failed")}
    assert levels == {"queued": 2, "running": 0, "completed": 1, "failed": 0}
    assert signals.level(WEBHOOKS_IN, "pending") == 1
    assert signals.level(JOBS_OLDEST) == 31  # the second one came a second after the first


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(None, "completed"), (UnsupportedAudio("no audio"), "unsupported_audio"), (StageLost("died"), "stage_lost")],
)
async def test_an_attempt_at_a_job_is_counted_by_how_it_ended(
    bench: JobBench, error: RayscribeError | None, outcome: str
) -> None:
    signals, pipeline, ended = RecordedSignals(), GatedPipeline(error), asyncio.Event()
    pipeline.gate.set()
    job = await bench.accept()
    await bench.audio.put(job.id, np.zeros(1, np.uint8))
    worker = JobWorker(bench.queue, bench.audio, pipeline, 1, on_end=ended.set, signals=signals)
    await worker.fill()
    await ended.wait()
    assert dict(signals.counts) == {(JOB_ATTEMPTS.name, (outcome,)): 1}


async def test_a_job_that_is_given_back_counts_as_stopped(bench: JobBench) -> None:
    signals, pipeline = RecordedSignals(), GatedPipeline()
    job = await bench.accept()
    await bench.audio.put(job.id, np.zeros(1, np.uint8))
    worker = JobWorker(bench.queue, bench.audio, pipeline, 1, signals=signals)
    await worker.fill()
    await pipeline.begun.acquire()
    await worker.stop()
    assert dict(signals.counts) == {(JOB_ATTEMPTS.name, ("stopped",)): 1}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Acknowledgement(204), "delivered"),
        (Acknowledgement(410), "gone"),
        (Acknowledgement(500), "refused"),
        (SourceUnreachable("no answer"), "unanswered"),
    ],
)
async def test_an_attempt_to_deliver_is_counted_by_how_it_ended(
    bench: JobBench, answer: Acknowledgement | RayscribeError, outcome: str
) -> None:
    signals = RecordedSignals()
    job = await bench.accept()
    claim = await bench.queue.claim()
    assert claim is not None
    await bench.queue.complete(claim, transcript_of(job.order.request))
    sender = WebhookSender(bench.outbox, FakeWebhook([answer]), WebhookSettings(), signals=signals)
    await deliver(sender)
    assert dict(signals.counts) == {(WEBHOOK_ATTEMPTS.name, (outcome,)): 1}
    assert len(signals.observed(WEBHOOK_TIME)) == 1
