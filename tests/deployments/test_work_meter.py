from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from deployments.offload import EngineThreads
from deployments.recognition.batcher import Batcher
from deployments.recognition.batches import BatchLimits, Priority
from deployments.work_meter import BusyTime, WorkMeter
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.unit


def test_busy_time_is_the_integral_of_a_count() -> None:
    busy = BusyTime()
    busy.change(1, 5)
    busy.change(1, 7)
    assert busy.total_s(10) == 2 + 2 * 3
    busy.change(-2, 10)
    assert busy.total_s(110) == 8


def test_work_waits_is_begun_and_is_done() -> None:
    clock = FakeClock()
    meter = WorkMeter(2, clock)
    first, second = meter.asked(60.0), meter.asked(30.0)
    assert (meter.stats.waiting, meter.stats.inside) == (90, 2)
    meter.begun(first)
    clock.now_s += 4
    # What has not ended is use of the engine, and no result yet.
    assert (meter.stats.waiting, meter.stats.busy_s, meter.stats.worked_s, meter.stats.calls) == (30, 4, 0, 0)
    meter.ended(first, is_done=True)
    meter.begun(second)
    clock.now_s += 1
    meter.ended(second, is_done=False)
    stats = meter.stats
    assert (stats.slots, stats.waiting, stats.inside) == (2, 0, 0)
    assert (stats.busy_s, stats.worked_s, stats.done, stats.calls) == (5, 4, 60, 1)
    assert stats.cpu_s > 0


def test_who_leaves_before_it_begins_waits_no_more_and_whatever_comes_then_is_counted_once() -> None:
    meter = WorkMeter(1)
    piece = meter.asked(0.1)
    other = meter.asked(0.2)
    meter.left(piece)
    assert meter.stats.waiting == pytest.approx(0.2)
    assert meter.stats.inside == 1
    meter.begun(piece)  # the thread had it already
    meter.left(piece)
    meter.left(other)
    assert meter.stats.waiting == pytest.approx(0)
    assert meter.stats.inside == 1
    meter.ended(piece, is_done=False)
    assert meter.stats.inside == 0


async def test_engine_threads_tell_what_waits_and_what_was_done() -> None:
    threads, go_on, begun = EngineThreads(1), threading.Event(), threading.Event()

    def blocks(_: object) -> None:
        begun.set()
        go_on.wait(10)

    running = asyncio.create_task(threads.run(blocks, 60.0))
    await asyncio.to_thread(begun.wait, 10)
    waiting, leaving = (asyncio.create_task(threads.run(blocks, 7.0)) for _ in range(2))
    await asyncio.sleep(0)
    assert threads.stats.waiting == 14
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert threads.stats.waiting == 7
    go_on.set()
    await asyncio.gather(running, waiting)
    stats = threads.stats
    assert (stats.waiting, stats.done, stats.calls) == (0, 67, 2)
    assert stats.busy_s == pytest.approx(stats.worked_s, abs=0.01)


async def test_engine_threads_count_no_result_of_work_that_failed() -> None:
    threads = EngineThreads(1)
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda _: 1 / 0)
    assert (threads.stats.waiting, threads.stats.done, threads.stats.calls) == (0, 0, 0)
    assert threads.stats.busy_s > 0


async def test_a_batcher_tells_live_work_apart() -> None:
    go_on, begun, clock = threading.Event(), threading.Semaphore(0), FakeClock()

    def waits(words: Sequence[str]) -> Sequence[str]:
        begun.release()
        go_on.wait(10)
        if "bad" in words:
            raise ValueError("bad")
        return words

    batcher: Batcher[str, str] = Batcher(waits, BatchLimits(slots=1), clock=clock)
    calls = [
        asyncio.create_task(batcher.submit([("a", 10.0)], timeout_s=60, priority=priority))
        for priority in (Priority.FILE, Priority.FILE, Priority.LIVE, Priority.LIVE, Priority.LIVE_PARTIAL)
    ]
    # One of each priority runs; those after the first wait.
    for _ in Priority:
        await asyncio.to_thread(begun.acquire, timeout=10)
    clock.now_s += 2
    stats = batcher.stats
    assert (stats.slots, stats.waiting, stats.live_waiting, stats.inside) == (1, 20, 10, 5)
    assert (stats.busy_s, stats.live_busy_s, stats.done, stats.calls) == (6, 4, 0, 0)
    go_on.set()
    await asyncio.gather(*calls)
    with pytest.raises(ValueError, match="bad"):
        await batcher.submit([("bad", 5.0)], timeout_s=60)
    await batcher.close()
    stats = batcher.stats
    assert (stats.waiting, stats.live_waiting, stats.inside, stats.done, stats.calls) == (0, 0, 0, 50, 5)
    assert (stats.busy_s, stats.live_busy_s, stats.worked_s) == (6, 4, 6)
