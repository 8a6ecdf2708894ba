"""What batches are made by, and what is told of them."""

from __future__ import annotations

import contextvars
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from deployments.work_meter import WorkStats


class Priority(IntEnum):
    """Lower is served first."""

    LIVE = 0
    LIVE_PARTIAL = 1
    FILE = 2

    @property
    def is_live(self) -> bool:
        """Whether somebody speaks just now."""
        return self is not Priority.FILE


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much goes together.

    Attributes:
        slots: batches of one priority that run at once; of partial texts half as many, in larger batches.
        max_items: in a batch.
        max_padded_s: a batch costs its longest item times its items; no batch of several items costs more.
        max_stretch: an item joins a batch only if the longest is at most this many times as long.
        max_queued_s: audio that may wait; beyond it, work is refused.
    """

    slots: int = 1
    max_items: int = 8
    max_padded_s: float = 240.0
    max_stretch: float = 2.0
    max_queued_s: float = 4 * 3600.0

    def slots_of(self, priority: Priority) -> int:
        """Batches of a priority that run at once."""
        return max(1, self.slots // 2) if priority is Priority.LIVE_PARTIAL else self.slots

    def fill(self, padded_s: float, items: int) -> float:
        """How large a batch is, of the largest that may be."""
        return max(padded_s / self.max_padded_s, items / self.max_items)


@dataclass(frozen=True, slots=True)
class BatchStats(WorkStats):
    """WorkStats of a batcher, whose slots are those of one priority.

    Attributes:
        live_waiting, live_busy_s: of the others, the part that somebody hears live.
        full_worked_s, full_done: of the others, the part of batches that were nearly as large as they may be.
    """

    live_waiting: float
    live_busy_s: float
    full_worked_s: float
    full_done: float


@dataclass(frozen=True, slots=True)
class BatchReport:
    """One batch that was run: how long its items waited and how long they are, in the same order.

    ``origins`` are the contexts in which they were submitted, copied then.
    """

    priority: Priority
    waits_s: tuple[float, ...]
    durations_s: tuple[float, ...]
    worked_s: float
    failed: bool
    origins: tuple[contextvars.Context, ...]

    @property
    def padded_s(self) -> float:
        """What the engine computed."""
        return max(self.durations_s) * len(self.durations_s)


class BatchObserver(Protocol):
    """Is told what the batcher does. Must not raise."""

    def waiting(self, queued_s: float, running_batches: int) -> None:
        """So much audio waits now, and so many batches run."""
        ...

    def ran(self, report: BatchReport) -> None:
        """A batch is over."""
        ...
