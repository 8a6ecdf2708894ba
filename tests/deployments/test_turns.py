from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import pytest

from deployments.errors import Cancelled
from deployments.offload import EngineThreads
from deployments.stopping import ShouldStop

pytestmark = pytest.mark.unit


class Recordings:
    """Work of so many steps each, that says in which order they were done."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.at_work = 0
        self.most_at_work = 0
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def work(self, name: str, steps: int, should_stop: ShouldStop) -> str:
        for _ in range(steps):
            if should_stop():
                raise Cancelled(name)
            self.at_work += 1
            self.most_at_work = max(self.most_at_work, self.at_work)
            self.order.append(name)
            self.begun.set()
            self.go_on.wait(10)
            self.at_work -= 1
        return name


def until_wanted(threads: EngineThreads) -> None:
    while not threads._turns.are_wanted:
        time.sleep(0.001)


async def test_a_short_call_has_its_turns_between_those_of_a_long_one() -> None:
    threads, recordings = EngineThreads(1, open_calls=3), Recordings()
    long = asyncio.create_task(threads.run(lambda stop: recordings.work("long", 20, stop)))
    await asyncio.to_thread(recordings.begun.wait, 10)
    short = asyncio.create_task(threads.run(lambda stop: recordings.work("short", 2, stop)))
    await asyncio.to_thread(until_wanted, threads)
    recordings.go_on.set()
    assert [*await asyncio.gather(long, short)] == ["long", "short"]
    assert "".join(name[0] for name in recordings.order).strip("l") == "sls"
    assert recordings.order.count("long") == 20
    assert recordings.most_at_work == 1
    stats = threads.stats
    assert (stats.slots, stats.calls, stats.inside) == (1, 2, 0)
    assert stats.worked_s == pytest.approx(stats.busy_s)


async def test_a_call_that_nobody_waits_for_gives_its_turn_back() -> None:
    threads, recordings = EngineThreads(1, open_calls=2), Recordings()
    left = asyncio.create_task(threads.run(lambda stop: recordings.work("left", 1000, stop)))
    await asyncio.to_thread(recordings.begun.wait, 10)
    other = asyncio.create_task(threads.run(lambda stop: recordings.work("other", 2, stop)))
    left.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await left
    recordings.go_on.set()
    assert await other == "other"
    assert len(recordings.order) < 1000
