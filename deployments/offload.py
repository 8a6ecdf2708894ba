"""Blocking engine calls beside an event loop, that stop when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from deployments.signals import WorkObserver, unobserved
from deployments.stopping import ShouldStop
from deployments.turns import Turns
from deployments.work_meter import WorkMeter, WorkStats

Result = TypeVar("Result")


class EngineThreads:
    """A fixed number of threads for engine calls; the caller's max_ongoing_requests bounds the queue."""

    def __init__(
        self,
        threads: int,
        observe: WorkObserver = unobserved,
        clock: Callable[[], float] = time.monotonic,
        *,
        open_calls: int | None = None,
    ) -> None:
        """Args:
        threads: calls that work at once.
        observe: told of every call that a thread began with, however it ended: how long it waited, and worked.
        clock: in seconds.
        open_calls: calls that may have begun, more than work at once: whenever one asks whether to stop, it lets
            another have a turn that waits for one. Default: none but those that work.
        """
        self._executor = ThreadPoolExecutor(open_calls or threads, thread_name_prefix="engine")
        self._turns = Turns(threads)
        self._observe = observe
        self._clock = clock
        self._meter = WorkMeter(threads)

    @property
    def stats(self) -> WorkStats:
        """What waits and was done."""
        return self._meter.stats

    async def run(self, work: Callable[[ShouldStop], Result], amount: float = 1.0) -> Result:
        """Run work in a thread; when this call is cancelled, work is told to stop.

        ``amount`` is how much work that is, in a unit of the caller's; by default calls are counted.
        """
        stop = threading.Event()
        asked_s = self._clock()
        piece = self._meter.asked(amount)

        has_worked, paused_s = False, 0.0

        def should_stop() -> bool:
            nonlocal has_worked, paused_s
            # It is asked first before anything was done in this turn.
            passes_on, has_worked = has_worked and self._turns.are_wanted, True
            if passes_on and not stop.is_set():
                self._meter.paused(piece)
                since_s = self._clock()
                self._turns.give_back()
                self._turns.take()
                paused_s += self._clock() - since_s
                self._meter.resumed(piece)
            return stop.is_set()

        def observed() -> Result:
            self._turns.take()
            begun_s = self._clock()
            self._meter.begun(piece)
            is_done = False
            try:
                result = work(should_stop)
                is_done = True
            finally:
                self._meter.ended(piece, is_done=is_done)
                self._turns.give_back()
                self._observe(begun_s - asked_s + paused_s, self._clock() - begun_s - paused_s)
            return result

        try:
            # In the caller's context: what the engine logs, and the observer notes, is part of the call.
            in_context = contextvars.copy_context().run
            return await asyncio.get_running_loop().run_in_executor(self._executor, in_context, observed)
        except asyncio.CancelledError:
            stop.set()
            self._meter.left(piece)
            raise
