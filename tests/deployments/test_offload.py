from __future__ import annotations

import asyncio
import threading

import pytest

from deployments.errors import Cancelled
from deployments.offload import EngineThreads
from deployments.stopping import ShouldStop

pytestmark = pytest.mark.unit


async def test_work_runs_in_a_thread_and_its_errors_come_back() -> None:
    threads = EngineThreads(1)
    assert await threads.run(lambda _: threading.current_thread()) is not threading.current_thread()

    def breaks(_: ShouldStop) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await threads.run(breaks)


async def test_a_caller_that_goes_away_stops_the_engine_and_frees_its_thread() -> None:
    threads = EngineThreads(1)
    started, stopped = threading.Event(), threading.Event()

    def works_until_told(should_stop: ShouldStop) -> None:
        started.set()
        while not should_stop():
            stopped.wait(0.001)
        stopped.set()
        raise Cancelled("nobody waits")

    call = asyncio.create_task(threads.run(works_until_told))
    await asyncio.to_thread(started.wait, 10)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(stopped.wait, 10)
    assert await threads.run(lambda _: "next") == "next"
