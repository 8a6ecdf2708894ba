"""The Limiter stage: the one place where each user's requests are counted, for all ingress replicas."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from deployments.errors import RateLimitReached
from deployments.service_log import leave_out_refusals
from deployments.signal_table import LEASES
from deployments.signals import SILENT, Signals
from serve_app.access.lease_messages import AdmissionRequest, Admitted, HolderReport, NotYet
from serve_app.access.leases import BookSize, LeaseBook
from serve_app.access.rate_limits import RateLimits
from serve_app.access.visit import RateState


@dataclass(frozen=True, slots=True)
class LimiterConfig:
    """What the Limiter is made of: a holder that is silent for lease_ttl_s is taken for dead."""

    lease_ttl_s: float


class Limiter:
    """Admits requests. There must be one replica of it: two would each allow every user all of the plan.

    No method waits for anything, so each call is a whole, and none holds up the reports of others. When the replica is
    replaced, the new one learns from the holders which leases are held; requests per minute are counted anew.
    """

    def __init__(
        self, config: LimiterConfig, clock: Callable[[], float] = time.monotonic, signals: Signals = SILENT
    ) -> None:
        leave_out_refusals()
        self._book = LeaseBook(config.lease_ttl_s, clock)
        self._rates = RateLimits(clock)
        self._signals = signals
        self._tell()

    async def admit(self, request: AdmissionRequest) -> Admitted | NotYet:
        """Grant the lease and count the request, both or neither.

        Raises:
            ConcurrencyLimitReached: no lease is free. Such a request does not use up the rate.
            RateLimitReached: too many came within the last minute.
            Cancelled: the holder has given this request up since it sent it.
        """
        lease = request.lease
        if lease is None:
            return Admitted(self._rate(request))
        if self._book.settles_in_s > 0:
            return NotYet(self._book.settles_in_s)
        if not self._book.acquire(request.holder_id, lease):
            return Admitted(None)
        try:
            return Admitted(self._rate(request))
        except RateLimitReached:
            self._book.give_back(request.holder_id, lease)
            raise
        finally:
            self._tell()

    async def report(self, report: HolderReport) -> tuple[str, ...]:
        """Take in what a holder holds; the ids of the leases that it has lost."""
        lost = self._book.report(report)
        self._tell()
        return lost

    async def load(self) -> BookSize:
        """What is held at the moment."""
        return self._book.size

    async def check_health(self) -> None:
        """Answers on the event loop: without it Serve takes 15 minutes to see a loop that is stuck, not two."""

    def _tell(self) -> None:
        self._signals.set(LEASES, self._book.size.leases)

    def _rate(self, request: AdmissionRequest) -> RateState | None:
        if request.requests_per_minute is None:
            return None
        return self._rates.hit(request.user_id, request.requests_per_minute)
