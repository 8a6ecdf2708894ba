"""Which step is on. Pure: time and what is under way are handed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Step:
    """One step by the clock of the run; None: not yet.

    Attributes:
        level: callers at once, or calls a second.
        opened_s: new calls are made from then on.
        closes_s: and until then.
        drained_s: the last of them has been answered.
    """

    level: float
    opened_s: float
    closes_s: float
    drained_s: float | None = None


class Steps:
    """One step after the other: opened, closed after a time, drained, and with the next tick the next one.

    A step begins only when what the last one left behind is done, so that its figures are its own. Between two is a
    tick in which nothing is under way.
    """

    def __init__(self, levels: Sequence[float], step_s: float) -> None:
        """Levels in turn, and how long new calls are made at each."""
        self._levels = levels
        self._step_s = step_s
        self.begun: list[Step] = []

    @property
    def current(self) -> Step | None:
        """The step that is open or drains; None before the first and behind the last."""
        return self.begun[-1] if self.begun and self.begun[-1].drained_s is None else None

    def is_open(self, now_s: float) -> bool:
        """Whether new calls may be made."""
        return self.current is not None and now_s < self.current.closes_s

    def tick(self, now_s: float, in_flight: int) -> float | None:
        """Move on where it is time; the level that should be on now, None at the end.

        Args:
            now_s: never less than before.
            in_flight: calls that are not answered.
        """
        step = self.current
        if step is not None:
            if now_s >= step.closes_s and not in_flight:
                step.drained_s = now_s
            return step.level
        if len(self.begun) == len(self._levels):
            return None
        self.begun.append(Step(self._levels[len(self.begun)], now_s, now_s + self._step_s))
        return self.begun[-1].level
