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
from deployments.stopping import StopSignal
from deployments.work_meter import WorkMeter, WorkStats

Result = TypeVar("Result")


class EngineThreads:
    """A fixed number of threads for engine calls; the caller's max_ongoing_requests bounds the queue."""

    def __init__(
        self,
        threads: int,
        observe: WorkObserver = unobserved,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``observe`` is told of every call that a thread began with, however it ended; clock is in seconds."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._observe = observe
        self._clock = clock
        self._meter = WorkMeter(threads)

    @property
    def stats(self) -> WorkStats:
        """What waits and was done."""
        return self._meter.stats

    async def run(self, work: Callable[[StopSignal], Result], amount: float = 1.0) -> Result:
        """Run work in a thread; when this call is cancelled, work is told to stop.

        ``amount`` is how much work that is, in a unit of the caller's; by default calls are counted.
        """
        stop = threading.Event()
        asked_s = self._clock()
        piece = self._meter.asked(amount)

        def observed() -> Result:
            begun_s = self._clock()
            self._meter.begun(piece)
            is_done = False
            try:
                result = work(stop.is_set)
                is_done = True
            finally:
                self._meter.ended(piece, is_done=is_done)
                self._observe(begun_s - asked_s, self._clock() - begun_s)
            return result

        try:
            # In the caller's context: what the engine logs, and the observer notes, is part of the call.
            in_context = contextvars.copy_context().run
            return await asyncio.get_running_loop().run_in_executor(self._executor, in_context, observed)
        except asyncio.CancelledError:
            stop.set()
            self._meter.left(piece)
            raise
