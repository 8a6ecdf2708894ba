"""Works on jobs: claims them, keeps their leases, runs the pipeline, and writes down how they ended."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from opentelemetry.trace import SpanKind
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from deployments.errors import (
    AccessDenied,
    AudioRejected,
    DeadlineExceeded,
    InvalidRequest,
    RayscribeError,
    ServiceUnavailable,
    SourceRejected,
    StageLost,
)
from deployments.signal_table import JOB_ATTEMPTS
from deployments.signals import SILENT, Signals, failure_label
from deployments.tracing import begun_span, note_failure
from serve_app.jobs.audio import AudioStore
from serve_app.jobs.contracts import JobFailure
from serve_app.jobs.queue import Claim, JobQueue
from serve_app.jobs.retries import Fraction, full_jitter_s
from serve_app.transcriptions import Transcriber

_log = logging.getLogger("ray.serve")

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

    @property
    def running(self) -> int:
        """Jobs that are worked on."""
        return len(self._running)

    async def fill(self) -> None:
        """Begin with jobs while there are any and there is room."""
        while len(self._running) < self._concurrent_jobs and (claim := await self._queue.claim()) is not None:
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
        try:
            if not await self._run(claim):
                _log.warning("job %s, attempt %d: its lease was lost, the outcome is dropped", job.id, job.attempts)
        except asyncio.CancelledError:
            self._signals.count(JOB_ATTEMPTS, outcome="stopped")
            # Does nothing where the lease is lost, or the job has ended already.
            await self._queue.put_back(claim, 0.0)
            raise

    async def _run(self, claim: Claim) -> bool:
        """Whether the outcome was written down: the lease was still ours."""
        job = claim.job
        try:
            audio = await self._audio.get(job.id)
            transcript = await self._pipeline.transcribe(job.order.request, audio)
        except Exception as error:
            failure = error
            note_failure(error)
        else:
            is_ours = await _patiently(lambda: self._queue.complete(claim, transcript))
            self._signals.count(JOB_ATTEMPTS, outcome="completed" if is_ours else "lease_lost")
            return is_ours
        # The class only: what is no error of ours may quote the recording.
        _log.warning("job %s, attempt %d: %s", job.id, job.attempts, type(failure).__name__)
        is_ours = await _patiently(lambda: self._failed(claim, failure))
        self._signals.count(JOB_ATTEMPTS, outcome=failure_label(failure) if is_ours else "lease_lost")
        return is_ours

    async def _failed(self, claim: Claim, error: Exception) -> bool:
        if isinstance(error, _FINAL):
            return await self._queue.fail(claim, JobFailure(type(error).__name__, str(error)))
        delay_s = full_jitter_s(claim.job.attempts, _FIRST_DELAY_S, _LONGEST_DELAY_S, self._fraction)
        if isinstance(error, ServiceUnavailable) and not isinstance(error, _SUSPECT):
            return await self._queue.put_back(claim, max(delay_s, error.retry_after_s))
        if isinstance(error, RayscribeError):
            setback = JobFailure(type(error).__name__, str(error))
        else:
            _log.error("job %s met a mistake of ours", claim.job.id, exc_info=error)
            setback = JobFailure("InternalError", "Internal error")
        return await self._queue.put_back(claim, delay_s, setback)

    def _ended(self, claim: Claim, task: asyncio.Task[None]) -> None:
        del self._running[claim.lease_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            # Nobody renews the lease any more, so the job is tried again.
            _log.error("the end of job %s could not be written down", claim.job.id, exc_info=error)
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
