from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from deployments.recognition.batcher import Batcher
from deployments.recognition.batches import BatchLimits, Priority
from deployments.recognition.signals import BatchSignals
from deployments.signal_table import (
    BATCH_FAILURES,
    BATCH_ITEMS,
    BATCH_PADDED,
    RECOGNITION_BATCHES,
    RECOGNITION_QUEUED,
    STAGE_AUDIO,
    STAGE_BUSY,
    STAGE_QUEUE,
    STAGE_WORK,
)
from tests.fakes.signals import RecordedSignals

pytestmark = pytest.mark.unit


def batcher_of(signals: RecordedSignals, run: object) -> Batcher[str, str]:
    return Batcher(run, BatchLimits(), BatchSignals(signals))  # type: ignore[arg-type]


def shout(words: Sequence[str]) -> list[str]:
    return [word.upper() for word in words]


async def test_a_batch_tells_its_size_its_padding_and_its_time() -> None:
    signals = RecordedSignals()
    batcher = batcher_of(signals, shout)
    await batcher.submit([("a", 4.0), ("b", 3.0)], timeout_s=5)
    await batcher.submit([("c", 1.0)], timeout_s=5, priority=Priority.LIVE)
    assert signals.observed(BATCH_ITEMS, "file") == [2]
    assert signals.counted(STAGE_AUDIO, "recognition", "file") == 7.0
    assert signals.counted(BATCH_PADDED, "file") == 8.0
    assert len(signals.observed(STAGE_QUEUE, "recognition", "file")) == 2
    [worked_s] = signals.observed(STAGE_WORK, "recognition", "file")
    assert signals.counted(STAGE_BUSY, "recognition", "file") == worked_s > 0
    assert signals.observed(BATCH_ITEMS, "live") == [1]
    assert signals.counted(BATCH_FAILURES, "file") == 0
    await batcher.close()


async def test_what_waits_is_told_while_it_waits_and_no_longer() -> None:
    signals, go_on = RecordedSignals(), threading.Event()

    def slow(words: Sequence[str]) -> list[str]:
        go_on.wait(10)
        return list(words)

    batcher = batcher_of(signals, slow)
    assert signals.level(RECOGNITION_QUEUED) == 0
    first = asyncio.create_task(batcher.submit([("a", 4.0)], timeout_s=5))
    second = asyncio.create_task(batcher.submit([("b", 30.0)], timeout_s=5))
    await asyncio.sleep(0)
    assert signals.level(RECOGNITION_QUEUED) == 30.0
    assert signals.level(RECOGNITION_BATCHES) == 1
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert signals.level(RECOGNITION_QUEUED) == 0
    go_on.set()
    await first
    await batcher.close()
    assert signals.level(RECOGNITION_BATCHES) == 0


async def test_windows_of_a_batch_that_failed_count_once_when_they_ran_alone() -> None:
    signals = RecordedSignals()

    def dislikes_b(words: Sequence[str]) -> list[str]:
        if "b" in words:
            raise ValueError("b")
        return list(words)

    batcher = batcher_of(signals, dislikes_b)
    with pytest.raises(ValueError, match="b"):
        await batcher.submit([("a", 4.0), ("b", 4.0)], timeout_s=5)
    await batcher.close()
    assert signals.counted(BATCH_FAILURES, "file") == 2  # both together, and b alone
    assert signals.observed(BATCH_ITEMS, "file") == [1]
    assert signals.counted(STAGE_AUDIO, "recognition", "file") == 4.0
