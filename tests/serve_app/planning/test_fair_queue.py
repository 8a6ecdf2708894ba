"""The simulated queue forms the batches that the real one does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.recognition.batcher import Batcher
from deployments.recognition.batches import BatchLimits
from serve_app.planning.stations import FairQueue
from tests.examples import examples

pytestmark = pytest.mark.unit

Windows = tuple[float, ...]
LIMITS = BatchLimits(slots=1, max_items=4, max_padded_s=40.0, max_stretch=2.0)


async def _real(first: float, flows: Sequence[Windows]) -> list[list[float]]:
    """Batches of flows that came while a first window was recognised."""
    formed: list[list[float]] = []
    opened = threading.Event()

    def run(windows: Sequence[float]) -> list[float]:
        formed.append(list(windows))
        assert opened.wait(30)
        return list(windows)

    batcher: Batcher[float, float] = Batcher(run, LIMITS)
    calls = [asyncio.ensure_future(batcher.submit([(first, first)], timeout_s=60))]
    await asyncio.sleep(0)
    calls += [
        asyncio.ensure_future(batcher.submit([(window, window) for window in flow], timeout_s=60)) for flow in flows
    ]
    await asyncio.sleep(0)
    opened.set()
    await asyncio.gather(*calls)
    await batcher.close()
    return formed


def _simulated(first: float, flows: Sequence[Windows]) -> list[list[float]]:
    queue = FairQueue(LIMITS.max_items, LIMITS.max_padded_s, LIMITS.max_stretch)
    queue.add((first,), 0.0, lambda: None)
    formed = [[window for window, _ in queue.next_batch(1)]]
    for flow in flows:
        queue.add(flow, 0.0, lambda: None)
    while queue.waiting:
        formed.append([window for window, _ in queue.next_batch(1)])
    return formed


window = st.sampled_from((0.5, 1.0, 1.5, 3.0, 7.0, 12.0, 15.0))


@settings(max_examples=examples(40))
@given(first=window, flows=st.lists(st.lists(window, min_size=1, max_size=6).map(tuple), max_size=6))
def test_batches_are_those_of_the_batcher(first: float, flows: list[Windows]) -> None:
    assert _simulated(first, flows) == asyncio.run(_real(first, flows))


def test_free_slots_share_what_waits() -> None:
    queue = FairQueue(8, 240.0, 2.0)
    queue.add((5.0,) * 4, 0.0, lambda: None)
    assert len(queue.next_batch(2)) == 2
    assert queue.waiting == 2
