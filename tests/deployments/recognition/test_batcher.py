from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import DeadlineExceeded, Overloaded
from deployments.recognition.batcher import Batcher
from deployments.recognition.batches import BatchLimits, Priority
from tests.fakes.virtual_time import run_virtually

pytestmark = pytest.mark.unit


class Engine:
    """Answers each payload with itself; holds every batch until it is let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Semaphore(0 if held else 10_000)

    def __call__(self, payloads: Sequence[str]) -> list[str]:
        self.batches.append(list(payloads))
        self.gate.acquire()
        if "bad" in payloads:
            raise ValueError("bad item")
        return [payload.upper() for payload in payloads]


async def settled() -> None:
    """Let everything run that can, and threads reach the engine."""
    for _ in range(20):
        await asyncio.sleep(0)
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)


async def passes() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_idle_batcher_runs_one_item_at_once() -> None:
    engine = Engine()
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits())
    assert await batcher.submit([("a", 1.0)], timeout_s=10) == ["A"]
    assert engine.batches == [["a"]]
    await batcher.close()


async def test_batches_grow_while_the_slot_is_busy() -> None:
    engine = Engine(held=True)
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits(max_items=4))
    submissions = [asyncio.create_task(batcher.submit([(name, 1.0)], timeout_s=10)) for name in "abcdef"]
    await settled()
    assert engine.batches == [["a"]]
    engine.gate.release(3)
    assert await asyncio.gather(*submissions) == [["A"], ["B"], ["C"], ["D"], ["E"], ["F"]]
    assert engine.batches == [["a"], ["b", "c", "d", "e"], ["f"]]
    await batcher.close()


async def test_free_slots_share_what_is_waiting() -> None:
    engine = Engine()
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits(slots=2))
    assert await batcher.submit([(name, 1.0) for name in "abcdef"], timeout_s=10) == list("ABCDEF")
    assert [len(batch) for batch in engine.batches] == [3, 3]
    await batcher.close()


async def test_a_long_request_does_not_starve_a_short_one() -> None:
    engine = Engine(held=True)
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits(max_items=1))
    long = asyncio.create_task(batcher.submit([(f"long{at}", 28.0) for at in range(20)], timeout_s=100))
    await settled()
    short = asyncio.create_task(batcher.submit([("short", 5.0)], timeout_s=100))
    await settled()
    engine.gate.release(21)
    await asyncio.gather(long, short)
    assert [batch[0] for batch in engine.batches].index("short") <= 2
    await batcher.close()


async def test_live_work_goes_before_files() -> None:
    engine = Engine(held=True)
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits(max_items=1))
    files = asyncio.create_task(batcher.submit([("first", 5.0), ("file", 5.0)], timeout_s=100))
    await settled()
    live = asyncio.create_task(batcher.submit([("live", 5.0)], timeout_s=100, priority=Priority.LIVE))
    await settled()
    engine.gate.release(3)
    await asyncio.gather(files, live)
    assert [batch[0] for batch in engine.batches] == ["first", "live", "file"]
    await batcher.close()


async def test_live_work_does_not_wait_for_a_batch_of_files_nor_share_one() -> None:
    engine = Engine(held=True)
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits())
    files = asyncio.create_task(batcher.submit([(name, 5.0) for name in "abcde"], timeout_s=100))
    await settled()
    live = asyncio.create_task(batcher.submit([("live", 5.0)], timeout_s=100, priority=Priority.LIVE))
    await settled()
    assert engine.batches == [["a", "b", "c", "d", "e"], ["live"]]
    more = asyncio.create_task(batcher.submit([("more", 5.0)], timeout_s=100))
    await settled()
    assert len(engine.batches) == 2
    engine.gate.release(3)
    await asyncio.gather(files, live, more)
    await batcher.close()


async def test_a_final_does_not_wait_for_partial_texts_nor_share_a_batch_with_them() -> None:
    engine = Engine(held=True)
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits(slots=2))
    work = []
    for name in ("partial", "next", "after"):
        partial = batcher.submit([(name, 1.0)], timeout_s=100, priority=Priority.LIVE_PARTIAL)
        work.append(asyncio.create_task(partial))
        await settled()
    assert engine.batches == [["partial"]], "partial texts have half of the slots"
    work.append(asyncio.create_task(batcher.submit([("final", 1.0)], timeout_s=100, priority=Priority.LIVE)))
    await settled()
    assert engine.batches == [["partial"], ["final"]]
    engine.gate.release(4)
    await asyncio.gather(*work)
    assert engine.batches == [["partial"], ["final"], ["next", "after"]]
    await batcher.close()


async def test_items_of_very_different_length_do_not_share_a_batch() -> None:
    engine = Engine(held=True)
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits(max_stretch=2.0))
    blocker = asyncio.create_task(batcher.submit([("blocker", 1.0)], timeout_s=100))
    await settled()
    mixed = asyncio.create_task(batcher.submit([("short", 2.0)], timeout_s=100))
    await settled()
    other = asyncio.create_task(batcher.submit([("long", 20.0)], timeout_s=100))
    third = asyncio.create_task(batcher.submit([("short too", 3.0)], timeout_s=100))
    await settled()
    engine.gate.release(3)
    await asyncio.gather(blocker, mixed, other, third)
    assert sorted(map(sorted, engine.batches[1:])) == [["long"], ["short", "short too"]]
    await batcher.close()


async def test_a_cancelled_request_never_reaches_the_engine() -> None:
    engine = Engine(held=True)
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits())
    running = asyncio.create_task(batcher.submit([("running", 1.0)], timeout_s=100))
    await settled()
    gone = asyncio.create_task(batcher.submit([("gone", 1.0), ("gone too", 1.0)], timeout_s=100))
    await settled()
    assert batcher.stats.waiting == 2.0
    gone.cancel()
    await settled()
    assert batcher.stats.waiting == 0
    engine.gate.release(1)
    await running
    assert engine.batches == [["running"]]
    await batcher.close()


async def test_cancelling_one_request_of_a_running_batch_leaves_the_others() -> None:
    engine = Engine(held=True)
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits())
    first = asyncio.create_task(batcher.submit([("blocker", 1.0)], timeout_s=100))
    await settled()
    leaving = asyncio.create_task(batcher.submit([("leaving", 1.0)], timeout_s=100))
    staying = asyncio.create_task(batcher.submit([("staying", 1.0)], timeout_s=100))
    await settled()
    engine.gate.release(1)
    await first
    await settled()
    leaving.cancel()
    engine.gate.release(1)
    assert await staying == ["STAYING"]
    await batcher.close()


async def test_one_bad_item_fails_alone() -> None:
    engine = Engine()
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits())
    good = asyncio.create_task(batcher.submit([("good", 1.0)], timeout_s=10))
    bad = asyncio.create_task(batcher.submit([("bad", 1.0)], timeout_s=10))
    also_good = asyncio.create_task(batcher.submit([("also good", 1.0)], timeout_s=10))
    assert await good == ["GOOD"]
    assert await also_good == ["ALSO GOOD"]
    with pytest.raises(ValueError, match="bad item"):
        await bad
    await batcher.close()


def test_after_a_failed_batch_nobodys_items_do_not_reach_the_engine_again() -> None:
    async def main() -> None:
        engine = Engine(held=True)
        batcher: Batcher[str, str] = Batcher(engine, BatchLimits())
        loop = asyncio.get_running_loop()
        blocker = asyncio.create_task(batcher.submit([("blocker", 1.0)], timeout_s=100))
        await passes()
        bad, gone, late, good = (
            asyncio.create_task(batcher.submit([(name, 1.0)], timeout_s=timeout_s))
            for name, timeout_s in (("bad", 100), ("gone", 100), ("late", 5), ("good", 100))
        )
        await passes()
        engine.gate.release(1)
        await blocker
        await passes()
        gone.cancel()
        loop._jumping.now_s += 6  # type: ignore[attr-defined]  # the loop of run_virtually
        engine.gate.release(5)
        assert await good == ["GOOD"]
        with pytest.raises(DeadlineExceeded):
            await late
        with pytest.raises(ValueError, match="bad item"):
            await bad
        await batcher.close()
        assert engine.batches == [["blocker"], ["bad", "gone", "late", "good"], ["bad"], ["good"]]

    run_virtually(main)


async def test_a_full_queue_refuses() -> None:
    engine = Engine(held=True)
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits(max_queued_s=10.0))
    running = asyncio.create_task(batcher.submit([("running", 9.0)], timeout_s=100))
    await settled()
    waiting = asyncio.create_task(batcher.submit([("waiting", 9.0)], timeout_s=100))
    await settled()
    with pytest.raises(Overloaded):
        await batcher.submit([("too much", 2.0)], timeout_s=100)
    engine.gate.release(2)
    await asyncio.gather(running, waiting)
    await batcher.close()


def test_an_expired_item_never_reaches_the_engine() -> None:
    async def main() -> None:
        engine = Engine(held=True)
        batcher: Batcher[str, str] = Batcher(engine, BatchLimits())
        loop = asyncio.get_running_loop()
        running = asyncio.create_task(batcher.submit([("running", 1.0)], timeout_s=100))
        late = asyncio.create_task(batcher.submit([("late", 1.0)], timeout_s=5))
        await passes()
        loop._jumping.now_s += 6  # type: ignore[attr-defined]  # the loop of run_virtually
        engine.gate.release(1)
        await running
        with pytest.raises(DeadlineExceeded):
            await late
        assert engine.batches == [["running"]]
        await batcher.close()

    run_virtually(main)


@given(
    st.lists(st.lists(st.floats(0.1, 30.0), min_size=1, max_size=6), min_size=1, max_size=8),
    st.integers(1, 3),
    st.integers(1, 8),
)
def test_every_item_is_answered_once_and_in_order(submissions: list[list[float]], slots: int, max_items: int) -> None:
    async def main() -> None:
        engine = Engine()
        limits = BatchLimits(slots=slots, max_items=max_items, max_padded_s=60.0)
        batcher: Batcher[str, str] = Batcher(engine, limits)
        names = [[f"r{row}i{at}" for at in range(len(items))] for row, items in enumerate(submissions)]
        answers = await asyncio.gather(
            *(
                batcher.submit(list(zip(row, items, strict=True)), timeout_s=1e9)
                for row, items in zip(names, submissions, strict=True)
            )
        )
        assert answers == [[name.upper() for name in row] for row in names]
        assert all(len(batch) <= max_items for batch in engine.batches)
        assert batcher.stats.waiting == pytest.approx(0, abs=1e-6)
        await batcher.close()

    run_virtually(main)


def test_what_expired_leaves_its_room_to_others() -> None:
    async def main() -> None:
        engine = Engine(held=True)
        batcher: Batcher[str, str] = Batcher(engine, BatchLimits(max_queued_s=10.0))
        loop = asyncio.get_running_loop()
        running = asyncio.create_task(batcher.submit([("running", 1.0)], timeout_s=100))
        await settled()
        late = asyncio.create_task(batcher.submit([("late", 9.0)], timeout_s=5))
        await settled()
        loop._jumping.now_s += 6  # type: ignore[attr-defined]
        engine.gate.release(2)
        await running
        with pytest.raises(DeadlineExceeded):
            await late
        assert batcher.stats.waiting == 0
        assert await batcher.submit([("next", 9.0)], timeout_s=5) == ["NEXT"]
        await batcher.close()

    run_virtually(main)


async def test_a_batch_costs_its_longest_item_times_its_items() -> None:
    engine = Engine(held=True)
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits(max_padded_s=60.0))
    first = asyncio.create_task(batcher.submit([("first", 1.0)], timeout_s=100))
    await settled()
    rest = asyncio.create_task(batcher.submit([("a", 20.0), ("b", 11.0), ("c", 11.0), ("d", 11.0)], timeout_s=100))
    await settled()
    engine.gate.release(3)
    await asyncio.gather(first, rest)
    assert engine.batches == [["first"], ["a", "b", "c"], ["d"]]
    await batcher.close()


async def test_shares_are_seconds_of_audio_and_not_items() -> None:
    engine = Engine(held=True)
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits(max_items=1))
    first = asyncio.create_task(batcher.submit([("first", 1.0)], timeout_s=100))
    await settled()
    long = asyncio.create_task(batcher.submit([("long", 20.0)] * 4, timeout_s=100))
    short = asyncio.create_task(batcher.submit([("short", 5.0)] * 16, timeout_s=100))
    await settled()
    engine.gate.release(21)
    await asyncio.gather(first, long, short)
    half = [batch[0] for batch in engine.batches[1:11]]
    assert (half.count("long"), half.count("short")) == (2, 8)
    await batcher.close()


async def test_newcomers_do_not_starve_who_waits() -> None:
    """A long recording gets its share while short ones keep coming, one for each that is done."""
    engine = Engine()
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits(max_items=1))
    long = asyncio.create_task(batcher.submit([("long", 10.0)] * 10, timeout_s=1e6))

    async def caller() -> None:
        while not long.done() and len(engine.batches) < 500:
            await batcher.submit([("short", 5.0)], timeout_s=1e6)

    callers = [asyncio.create_task(caller()) for _ in range(3)]
    await asyncio.gather(*callers)
    done = [batch[0] for batch in engine.batches].count("long")
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    await batcher.close()
    assert done == 10, f"{done} of 10 windows in {len(engine.batches)} batches"


async def test_who_comes_while_a_long_recording_is_served_is_next() -> None:
    engine = Engine(held=True)
    batcher: Batcher[str, str] = Batcher(engine, BatchLimits(max_items=1))
    long = asyncio.create_task(batcher.submit([("long", 10.0)] * 4, timeout_s=100))
    await settled()
    short = asyncio.create_task(batcher.submit([("short", 5.0)], timeout_s=100))
    await settled()
    engine.gate.release(5)
    await asyncio.gather(long, short)
    assert [batch[0] for batch in engine.batches] == ["long", "short", "long", "long", "long"]
    await batcher.close()
