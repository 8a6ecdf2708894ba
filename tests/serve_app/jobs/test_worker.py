from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest

from deployments.contracts import Transcript
from deployments.errors import (
    DeadlineExceeded,
    Overloaded,
    ServiceUnavailable,
    StageLost,
    UnsupportedAudio,
)
from serve_app.access.plans import Plan
from serve_app.jobs.contracts import Job, JobFailure, JobStatus
from serve_app.jobs.loop import Loop
from serve_app.jobs.queue import Claim, JobQueue
from serve_app.jobs.worker import JobWorker
from serve_app.settings import AccessSettings
from tests.fakes.job_bench import JobBench, transcript_of
from tests.fakes.job_pipeline import GatedPipeline
from tests.fakes.virtual_time import run_virtually

pytestmark = pytest.mark.unit


@dataclass
class Shift:
    """A worker, and a way to wait for its jobs."""

    bench: JobBench
    pipeline: GatedPipeline
    concurrent_jobs: int = 2

    def __post_init__(self) -> None:
        self._ended = asyncio.Semaphore(0)
        self.worker = JobWorker(
            self.bench.queue,
            self.bench.audio,
            self.pipeline,
            self.concurrent_jobs,
            on_end=self._ended.release,
            fraction=lambda: 1.0,
        )

    async def accept(self, user: str = "ann") -> Job:
        job = await self.bench.accept(user)
        await self.bench.audio.put(job.id, np.frombuffer(job.id.encode(), np.uint8))
        return job

    async def begin(self, jobs: int = 1) -> None:
        await self.worker.fill()
        for _ in range(jobs):
            await self.pipeline.begun.acquire()

    async def end(self, jobs: int = 1) -> None:
        for _ in range(jobs):
            await self._ended.acquire()

    async def run_once(self) -> None:
        self.pipeline.gate.set()
        await self.begin()
        await self.end()

    async def look(self, job: Job) -> Job:
        return await self.bench.store.find(job.user_id, job.id)


@pytest.fixture
def shift(bench: JobBench) -> Shift:
    return Shift(bench, GatedPipeline())


async def test_a_job_is_run_with_its_audio_and_completed(shift: Shift) -> None:
    job = await shift.accept()
    await shift.run_once()
    assert shift.pipeline.heard == [job.id.encode()]
    assert (await shift.look(job)).transcript == transcript_of(job.order.request)


async def test_no_more_jobs_run_at_once_than_there_is_room_for(shift: Shift) -> None:
    jobs = [await shift.accept() for _ in range(3)]
    await shift.begin(2)
    assert len(shift.pipeline.heard) == 2
    assert (await shift.look(jobs[2])).status is JobStatus.QUEUED
    shift.pipeline.gate.set()
    await shift.end(2)
    await shift.run_once()
    assert (await shift.look(jobs[2])).status is JobStatus.COMPLETED


async def test_renewing_keeps_a_long_job(shift: Shift) -> None:
    job = await shift.accept()
    await shift.begin()
    for _ in range(5):
        shift.bench.pass_time(14)
        await shift.worker.renew()
    assert await shift.bench.queue.claim() is None
    shift.pipeline.gate.set()
    await shift.end()
    assert (await shift.look(job)).attempts == 1


async def test_a_runner_that_was_away_for_long_goes_on_with_its_jobs(shift: Shift) -> None:
    job = await shift.accept()
    await shift.begin()
    for _ in range(3):
        shift.bench.pass_time(20)
        await shift.worker.fill()
        await shift.worker.renew()
    assert shift.pipeline.cancelled == 0
    shift.pipeline.gate.set()
    await shift.end()
    found = await shift.look(job)
    assert (found.status, found.attempts) == (JobStatus.COMPLETED, 1)


async def test_a_cancelled_job_is_no_longer_worked_on(shift: Shift) -> None:
    job = await shift.accept()
    await shift.begin()
    await shift.bench.store.cancel(job.user_id, job.id)
    await shift.worker.renew()
    await shift.end()
    assert shift.pipeline.cancelled == 1
    assert (await shift.look(job)).status is JobStatus.CANCELLED


async def test_who_lost_the_lease_stops_and_changes_nothing(shift: Shift) -> None:
    job = await shift.accept()
    await shift.begin()
    shift.bench.pass_time(15)
    other = await shift.bench.queue.claim()
    assert other is not None
    await shift.worker.renew()
    await shift.end()
    assert shift.pipeline.cancelled == 1
    assert await shift.bench.queue.complete(other, transcript_of(job.order.request))


async def test_an_outcome_that_comes_after_the_lease_was_lost_is_dropped(shift: Shift) -> None:
    job = await shift.accept()
    await shift.begin()
    shift.bench.pass_time(15)
    assert await shift.bench.queue.claim() is not None
    shift.pipeline.gate.set()
    await shift.end()
    assert (await shift.look(job)).status is JobStatus.RUNNING


async def test_stopping_gives_jobs_back_at_once_and_counts_against_none(shift: Shift) -> None:
    job = await shift.accept()
    for _ in range(5):
        await shift.begin()
        await shift.worker.stop()
        await shift.end()
        assert (await shift.look(job)).status is JobStatus.QUEUED
    await shift.run_once()
    assert (await shift.look(job)).status is JobStatus.COMPLETED


async def test_audio_that_is_rejected_fails_at_once(shift: Shift) -> None:
    shift.pipeline.error = UnsupportedAudio("no audio was found")
    job = await shift.accept()
    await shift.run_once()
    found = await shift.look(job)
    assert (found.status, found.attempts) == (JobStatus.FAILED, 1)
    assert found.failure is not None
    assert (found.failure.error, found.failure.message) == (
        "UnsupportedAudio", "Unsupported audio: no audio was found"
    )  # fmt: skip


async def test_audio_that_is_gone_fails_at_once(shift: Shift) -> None:
    job = await shift.bench.accept()
    await shift.worker.fill()
    await shift.end()
    failure = (await shift.look(job)).failure
    assert failure is not None
    assert failure.message == f"No such recording: {job.id}"


@pytest.mark.parametrize("error", [Overloaded("full", 60.0), ServiceUnavailable("away", 60.0)])
async def test_a_service_that_is_at_capacity_is_waited_for_as_long_as_it_takes(
    shift: Shift, error: ServiceUnavailable
) -> None:
    shift.pipeline.error = error
    job = await shift.accept()
    for _ in range(6):
        await shift.run_once()
        shift.bench.pass_time(59.9)
        assert await shift.bench.queue.claim() is None
        shift.bench.pass_time(70)
    shift.pipeline.error = None
    await shift.run_once()
    assert (await shift.look(job)).status is JobStatus.COMPLETED


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (StageLost("A worker died while it had the request"), "A worker died while it had the request"),
        (DeadlineExceeded("The request took too long"), "The request took too long"),
        (ZeroDivisionError("secret words"), "Internal error"),
    ],
)
async def test_what_the_job_may_have_caused_is_tried_a_few_times(shift: Shift, error: Exception, message: str) -> None:
    shift.pipeline.error = error
    job = await shift.accept()
    for _ in range(3):
        await shift.run_once()
        shift.bench.pass_time(120)
    failure = (await shift.look(job)).failure
    assert failure is not None
    assert failure.message == f"Given up after 3 attempts; the last one: {message}"


def _counting(count: list[int], error: Exception | None = None) -> Callable[[], Awaitable[None]]:
    async def step() -> None:
        count.append(1)
        if error:
            raise error

    return step


def test_a_loop_takes_a_step_each_interval_and_when_it_is_woken() -> None:
    async def main() -> None:
        steps: list[int] = []
        loop = Loop("counting", _counting(steps), 10.0)
        task = asyncio.create_task(loop.run())
        await asyncio.sleep(25.0)
        assert len(steps) == 3
        loop.wake()
        await asyncio.sleep(1.0)
        assert len(steps) == 4
        task.cancel()

    run_virtually(main)


def test_a_loop_waits_for_an_outage_to_pass_and_ends_with_any_other_error() -> None:
    async def main() -> None:
        steps: list[int] = []
        waiting = asyncio.create_task(Loop("x", _counting(steps, ServiceUnavailable("away")), 10.0).run())
        await asyncio.sleep(35.0)
        assert len(steps) == 4
        waiting.cancel()
        with pytest.raises(ZeroDivisionError):
            await Loop("x", _counting(steps, ZeroDivisionError()), 10.0).run()

    run_virtually(main)


class AwayAtFirst:
    """A queue whose database is away for the first two endings."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._outages = 2

    async def complete(self, claim: Claim, transcript: Transcript) -> bool:
        if self._outages:
            self._outages -= 1
            raise ServiceUnavailable("The database does not answer")
        return await self._queue.complete(claim, transcript)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


async def test_work_that_is_done_waits_for_the_database(bench: JobBench) -> None:
    bench.queue = cast(JobQueue, AwayAtFirst(bench.queue))
    shift = Shift(bench, GatedPipeline())
    job = await shift.accept()
    await shift.run_once()
    assert (await shift.look(job)).status is JobStatus.COMPLETED


async def test_jobs_that_wait_are_not_done_for_an_empty_wallet(bench: JobBench) -> None:
    bench = JobBench(bench.database, bench.folder, access=AccessSettings(billing=True))
    shift = Shift(bench, GatedPipeline())
    job = await shift.accept()
    await shift.worker.fill()
    await shift.end()
    found = await shift.look(job)
    assert found.status is JobStatus.FAILED
    assert found.failure == JobFailure("InsufficientCredits", "Insufficient credits")
    assert shift.pipeline.heard == []


async def test_jobs_beyond_the_audio_of_a_day_wait_for_the_next(bench: JobBench) -> None:
    plans = {"local": Plan(audio_hours_per_day=1 / 3600), "default": Plan()}
    bench = JobBench(bench.database, bench.folder, access=AccessSettings(plans=plans))
    shift = Shift(bench, GatedPipeline(), concurrent_jobs=1)
    first, second = await shift.accept(), await shift.accept()
    await shift.run_once()
    await shift.worker.fill()
    await shift.end()
    assert [(await shift.look(job)).status for job in (first, second)] == [JobStatus.COMPLETED, JobStatus.QUEUED]
    await shift.worker.fill()
    assert len(shift.pipeline.heard) == 1
    bench.pass_time(86_400)
    await shift.run_once()
    assert (await shift.look(second)).status is JobStatus.COMPLETED
