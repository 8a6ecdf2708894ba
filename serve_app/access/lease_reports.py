"""How the Limiter learns what one ingress process holds."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deployments import service_log as log
from deployments.calls import Deadline, wait_for
from deployments.signal_table import LEASES_LOST, LIMITER_FAILURES
from deployments.signals import SILENT, Signals
from serve_app.access.lease_messages import HolderReport, Lease


@dataclass(frozen=True, slots=True)
class HolderTimes:
    """How patient a holder is.

    A report is sent every heartbeat_s; after lease_ttl_s without one the Limiter gives the leases to others.
    admit_timeout_s is how long a request waits at the door while the Limiter is away: one that died is back after 5 to
    14 s (a laptop at rest, and two busy cores), and admits nobody for another lease_ttl_s.
    """

    heartbeat_s: float = 1.0
    lease_ttl_s: float = 5.0
    admit_timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _Held:
    lease: Lease
    lose: Callable[[], None]


class LeaseReports:
    """What a process holds and waits for, and the task that tells the Limiter.

    It reports as soon as something has ended, one such report at a time, so that a crowd that ends together costs two
    reports; and while anything is held, at every heartbeat, whether or not the reports before were answered. An idle
    process is silent.
    """

    def __init__(
        self,
        limiter: Any,
        times: HolderTimes,
        clock: Callable[[], float] = time.monotonic,
        signals: Signals = SILENT,
    ) -> None:
        """Limiter is its deployment handle; clock is monotonic, in seconds."""
        self.holder_id = uuid.uuid4().hex
        self._limiter = limiter
        self._times = times
        self._clock = clock
        self._signals = signals
        self._sequence = itertools.count()
        self._pending: set[str] = set()
        self._held: dict[str, _Held] = {}
        self._ended_at = -1  # places in the sequence
        self._known_at = -1
        self._failing = False
        self._answered = asyncio.Condition()
        self._active = asyncio.Event()
        self._something_ended = asyncio.Event()
        self._beating: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def expect(self, user_id: str, cap: int) -> Lease:
        """A lease that will be asked for now. Exactly one of the next three must follow, or hold and then end."""
        lease = Lease(uuid.uuid4().hex, user_id, cap, next(self._sequence))
        self._pending.add(lease.lease_id)
        return lease

    def refused(self, lease: Lease) -> None:
        """It was certainly not granted: there is nothing to report."""
        self._pending.discard(lease.lease_id)

    def hold(self, lease: Lease, lose: Callable[[], None]) -> None:
        """It was granted; lose is called if the Limiter reports it as lost."""
        self._pending.discard(lease.lease_id)
        self._held[lease.lease_id] = _Held(lease, lose)
        self._stir()

    def end(self, lease: Lease) -> None:
        """It is not wanted any more, whether or not it was granted."""
        self._pending.discard(lease.lease_id)
        self._held.pop(lease.lease_id, None)
        self._ended_at = next(self._sequence)
        self._something_ended.set()
        self._stir()

    async def known(self) -> None:
        """Wait until the Limiter knows of all that has ended by now; for a heartbeat at most, and not if it is away."""
        ended_at = self._ended_at
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._times.heartbeat_s), self._answered:
                await self._answered.wait_for(lambda: self._known_at > ended_at or self._failing)

    async def close(self) -> None:
        """End the task."""
        tasks = [*self._sending, *([self._beating] if self._beating else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _stir(self) -> None:
        self._active.set()
        if self._beating is None or self._beating.done():
            # Not in the request's context: Serve cancels all that was started there, when the request ends.
            self._beating = asyncio.get_running_loop().create_task(self._beat(), context=contextvars.Context())

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._active.wait()
            beat_s = loop.time()
            while self._held or self._known_at < self._ended_at:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(beat_s + self._times.heartbeat_s):
                        await self._something_ended.wait()
                self._something_ended.clear()
                beat_s = loop.time()
                sending = loop.create_task(self._send())
                self._sending.add(sending)
                sending.add_done_callback(self._sending.discard)
                # No second report because of an end before this one is answered, but the heart goes on.
                await asyncio.wait({sending}, timeout=self._times.heartbeat_s)
            self._active.clear()

    async def _send(self) -> None:
        held = tuple(holding.lease for holding in self._held.values())
        report = HolderReport(self.holder_id, next(self._sequence), held, tuple(self._pending))
        try:
            # An answer that is later than this is of no use, and so there are only a few on the way at any time.
            deadline = Deadline(self._times.lease_ttl_s, self._clock)
            lost: tuple[str, ...] = await wait_for(self._limiter.report.remote(report), deadline)
        except Exception as error:
            self._signals.count(LIMITER_FAILURES, call="report")
            if not self._failing:
                log.warning("leases cannot be reported", reason=type(error).__name__)
            await self._answer(self._known_at, failing=True)
            return
        for lease_id in lost:
            if holding := self._held.get(lease_id):
                self._signals.count(LEASES_LOST)
                log.warning("lease lost, its request is stopped")
                self.end(holding.lease)
                holding.lose()
        await self._answer(max(self._known_at, report.sequence), failing=False)

    async def _answer(self, known_at: int, *, failing: bool) -> None:
        async with self._answered:
            self._known_at, self._failing = known_at, failing
            self._answered.notify_all()
