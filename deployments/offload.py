"""Blocking engine calls beside an event loop, that stop when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from deployments.signals import WorkObserver, unobserved
from deployments.stopping import StopSignal

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

    async def run(self, work: Callable[[StopSignal], Result]) -> Result:
        """Run work in a thread; when this call is cancelled, work is told to stop."""
        stop = threading.Event()
        asked_s = self._clock()

        def observed() -> Result:
            begun_s = self._clock()
            try:
                return work(stop.is_set)
            finally:
                self._observe(begun_s - asked_s, self._clock() - begun_s)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, observed)
        except asyncio.CancelledError:
            stop.set()
            raise
