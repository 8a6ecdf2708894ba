"""Blocking engine calls beside an event loop, that stop when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from deployments.stopping import StopSignal

Result = TypeVar("Result")


class EngineThreads:
    """A fixed number of threads for engine calls; the caller's max_ongoing_requests bounds the queue."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="engine")

    async def run(self, work: Callable[[StopSignal], Result]) -> Result:
        """Run work in a thread; when this call is cancelled, work is told to stop."""
        stop = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, stop.is_set)
        except asyncio.CancelledError:
            stop.set()
            raise
