"""Works on jobs: claims them, keeps their leases, runs the pipeline, and writes down how they ended."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from opentelemetry.trace import SpanKind
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from deployments import service_log as log
from deployments.errors import (
    AccessDenied,
    AudioRejected,
    DeadlineExceeded,
    InvalidRequest,
    QuotaExceeded,
    RayscribeError,
    ServiceUnavailable,
    SourceRejected,
    StageLost,
)
from deployments.signal_table import JOB_ATTEMPTS
from deployments.signals import SILENT, Signals, failure_label
from deployments.tracing import begun_span, note_failure
from serve_app.cluster import adopt_request_id
from serve_app.jobs.audio import AudioStore
from serve_app.jobs.contracts import Job, JobFailure
from serve_app.jobs.queue import Claim, JobQueue
from serve_app.jobs.retries import Fraction, equal_jitter_s
from serve_app.transcriptions import Transcriber

_Result = TypeVar("_Result")

# The same request would fail the same way.
_FINAL = (InvalidRequest, AudioRejected, SourceRejected, AccessDenied)
# These the job may have caused itself: it may be what kills the stage, or takes longer than a request may.
_SUSPECT = (StageLost, DeadlineExceeded)

_FIRST_DELAY_S = 2.0
_LONGEST_DELAY_S = 120.0


class JobWorker:
    """Some jobs at once. ``fill`` and ``renew`` are called by loops; the jobs run in tasks of their own."""

    def __init__(
        self,
        queue: JobQueue,
        audio: AudioStore,
        pipeline: Transcriber,
        concurrent_jobs: int,
        *,
        on_end: Callable[[], None] = lambda: None,
        fraction: Fraction = random.random,
        signals: Signals = SILENT,
    ) -> None:
        """``on_end`` is called when a job left: there is room for another, and perhaps something to deliver."""
        self._queue = queue
        self._audio = audio
        self._pipeline = pipeline
        self._concurrent_jobs = concurrent_jobs
        self._on_end = on_end
        self._fraction = fraction
        self._signals = signals
        self._running: dict[str, asyncio.Task[None]] = {}

    async def fill(self) -> None:
        """Begin with jobs while there are any and there is room."""
        while len(self._running) < self._concurrent_jobs:
            if (claim := await self._queue.claim(tuple(self._running))) is None:
                return
            task = asyncio.create_task(self._attempt(claim))
            self._running[claim.lease_id] = task
            task.add_done_callback(lambda done, claim=claim: self._ended(claim, done))  # type: ignore[misc]

    async def renew(self) -> None:
        """Keep the leases; stop working on jobs that were cancelled, or that somebody else has now."""
        for lease_id in await self._queue.renew(tuple(self._running)):
            if task := self._running.get(lease_id):
                task.cancel()

    async def stop(self) -> None:
        """Stop working, and give the jobs back at once: that counts against none of them."""
        stopping = [task for task in self._running.values() if not task.done()]
        for task in stopping:
            task.cancel()
        await asyncio.gather(*stopping, return_exceptions=True)

    async def _attempt(self, claim: Claim) -> None:
        """Work on a job in the trace of the request that brought it."""
        job = claim.job
        with begun_span("job", job.order.trace, SpanKind.CONSUMER, job_id=job.id, attempt=job.attempts):
            await self._work(claim)

    async def _work(self, claim: Claim) -> None:
        job = claim.job
        begun_s = time.monotonic()
        # The lines of the stages have the id of the request that brought the job.
        adopt_request_id(job.order.request.request_id)
        with log.bound(job=job.id):
            try:
                outcome, audio_s = await self._run(claim)
            except asyncio.CancelledError:
                self._told(job, "stopped", begun_s)
                # Does nothing where the lease is lost, or the job has ended already.
                await self._queue.put_back(claim, 0.0)
                raise
            self._told(job, outcome, begun_s, audio_s)

    async def _run(self, claim: Claim) -> tuple[str, float | None]:
        """How the attempt ended, and how long the recording is if that was found out.

        The end of one whose lease was lost is not written down: somebody else has the job.
        """
        job = claim.job
        try:
            await self._queue.check(claim)
            audio = await self._audio.get(job.id)
            transcript = await self._pipeline.transcribe(job.order.request, audio)
        except Exception as error:
            failure = error
            note_failure(error)
        else:
            is_ours = await _patiently(lambda: self._queue.complete(claim, transcript))
            return "completed" if is_ours else "lease_lost", transcript.duration_s
        is_ours = await _patiently(lambda: self._failed(claim, failure))
        return failure_label(failure) if is_ours else "lease_lost", None

    def _told(self, job: Job, outcome: str, begun_s: float, audio_s: float | None = None) -> None:
        self._signals.count(JOB_ATTEMPTS, outcome=outcome)
        log.info(
            "job attempt",
            outcome=outcome,
            attempt=job.attempts,
            seconds=round(time.monotonic() - begun_s, 3),
            audio_s=None if audio_s is None else round(audio_s, 3),
            dialect=job.order.dialect,
            key=job.key_id,
        )

    async def _failed(self, claim: Claim, error: Exception) -> bool:
        if isinstance(error, QuotaExceeded):
            return await self._queue.put_back(claim, error.retry_after_s)
        if isinstance(error, _FINAL):
            return await self._queue.fail(claim, JobFailure(type(error).__name__, str(error)))
        delay_s = equal_jitter_s(claim.job.attempts, _FIRST_DELAY_S, _LONGEST_DELAY_S, self._fraction)
        if isinstance(error, ServiceUnavailable) and not isinstance(error, _SUSPECT):
            return await self._queue.put_back(claim, max(delay_s, error.retry_after_s))
        if isinstance(error, RayscribeError):
            setback = JobFailure(type(error).__name__, str(error))
        else:
            log.error("job met a mistake of ours", error)
            setback = JobFailure("InternalError", "Internal error")
        return await self._queue.put_back(claim, delay_s, setback)

    def _ended(self, claim: Claim, task: asyncio.Task[None]) -> None:
        del self._running[claim.lease_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            # Nobody renews the lease any more, so the job is tried again.
            log.error("end of a job cannot be written down", error, job=claim.job.id)
        self._on_end()


async def _patiently(write: Callable[[], Awaitable[_Result]]) -> _Result:
    """Work that is done waits for a database that is away; if that takes long, its lease is lost to others."""
    async for trial in AsyncRetrying(
        retry=retry_if_exception_type(ServiceUnavailable),
        wait=wait_random_exponential(multiplier=0.2, max=5.0),
        reraise=True,
    ):
        with trial:
            return await write()
    raise AssertionError("tenacity ends by returning or raising")
