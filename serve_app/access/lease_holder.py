"""The ingress' side of leases: one holder in each process, which all requests of that process share."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from deployments.calls import Deadline, retried, wait_for
from deployments.errors import DeadlineExceeded, ServiceUnavailable, StageLost, TooManyRequests
from deployments.signal_table import LIMITER_FAILURES, LIMITER_TIME
from deployments.signals import SILENT, Signals
from serve_app.access.lease_messages import AdmissionRequest, Admitted, Lease
from serve_app.access.lease_reports import HolderTimes, LeaseReports
from serve_app.access.visit import RateState


class LeaseHolder:
    """Holds leases of the Limiter for as long as requests run, and gives them up however they end."""

    def __init__(
        self,
        limiter: Any,
        times: HolderTimes,
        clock: Callable[[], float] = time.monotonic,
        signals: Signals = SILENT,
    ) -> None:
        """Limiter is its deployment handle; clock is monotonic, in seconds."""
        self._limiter = limiter
        self._admit_timeout_s = times.admit_timeout_s
        self._clock = clock
        self._signals = signals
        self._reports = LeaseReports(limiter, times, clock, signals)

    @contextlib.asynccontextmanager
    async def lease(
        self, user_id: str, cap: int | None, requests_per_minute: int | None
    ) -> AsyncIterator[RateState | None]:
        """Run the body as one of at most cap requests of a user, and give what is left of his rate.

        None for a limit means that there is none; without both nobody is asked. When the body is over, the context
        ends only after the lease is known to be free, so that a client that has its answer can send its next request
        at once; it does not wait when the body was cancelled, and not for a Limiter that is away.

        Raises:
            ConcurrencyLimitReached, RateLimitReached: on entry.
            ServiceUnavailable: on entry, the Limiter did not answer in time. Later, the lease was lost, since this
                process could not reach the Limiter for lease_ttl_s and others took its place: the body is cancelled.
        """
        if cap is None:
            yield await self._uncounted(user_id, requests_per_minute)
            return
        lease = self._reports.expect(user_id, cap)
        rate = await self._acquired(lease, requests_per_minute)
        try:
            async with self._holding(lease):
                yield rate
        except Exception:  # and not CancelledError: then nobody waits for the answer
            await self._reports.known()
            raise
        await self._reports.known()

    async def close(self) -> None:
        """End the reports. What is still held is free after lease_ttl_s."""
        await self._reports.close()

    async def _uncounted(self, user_id: str, requests_per_minute: int | None) -> RateState | None:
        if requests_per_minute is None:
            return None
        return await self._admitted(AdmissionRequest(self._reports.holder_id, user_id, None, requests_per_minute))

    async def _acquired(self, lease: Lease, requests_per_minute: int | None) -> RateState | None:
        try:
            return await self._admitted(
                AdmissionRequest(self._reports.holder_id, lease.user_id, lease, requests_per_minute)
            )
        except TooManyRequests:
            self._reports.refused(lease)
            raise
        except BaseException:
            # Nobody knows whether it was granted: the next report says that it is not wanted.
            self._reports.end(lease)
            raise

    async def _admitted(self, request: AdmissionRequest) -> RateState | None:
        asked_s = self._clock()
        deadline = Deadline(self._admit_timeout_s, self._clock)
        try:
            while True:
                # Safe to repeat: the lease has its name already. The Limiter is no stage, and takes part in no trace.
                answer = await retried(lambda: wait_for(self._limiter.admit.remote(request), deadline))
                if isinstance(answer, Admitted):
                    return answer.rate
                await asyncio.sleep(min(answer.ready_in_s, deadline.remaining_s()))
        except (StageLost, DeadlineExceeded) as error:
            self._signals.count(LIMITER_FAILURES, call="admit")
            raise ServiceUnavailable("Requests cannot be admitted at the moment") from error
        finally:
            self._signals.observe(LIMITER_TIME, self._clock() - asked_s)

    @contextlib.asynccontextmanager
    async def _holding(self, lease: Lease) -> AsyncIterator[None]:
        """The body under its lease: a timeout that never comes, unless the lease is lost."""
        try:
            async with asyncio.timeout(None) as loss:
                self._reports.hold(lease, lambda: loss.reschedule(asyncio.get_running_loop().time()))
                yield
        except TimeoutError as error:
            if not loss.expired():
                raise
            raise ServiceUnavailable("The request was stopped: others took its place while it was cut off") from error
        finally:
            self._reports.end(lease)
