"""Processors that everything which runs shares equally."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable


class Processors:
    """Egalitarian processor sharing, as an operating system's fair scheduler does it.

    All that runs gets the same rate, so that ends are ordered by a virtual clock which goes at that rate: one heap, and
    no end ever has to be moved (Parekh & Gallager 1993 use the same clock for fair queueing).

    Args:
        units: processors; infinite where nothing is to wait for them.
    """

    def __init__(self, units: float) -> None:
        self._units = units
        self._wanted = 0.0
        self._clock_s = 0.0
        self._running: list[tuple[float, int, float, Callable[[], None]]] = []
        self._order = itertools.count()
        self.busy_unit_s = 0.0

    def start(self, work_s: float, done: Callable[[], None], units: float = 1.0) -> None:
        """Compute for so long, were there processors enough, then call done."""
        self._wanted += units
        heapq.heappush(self._running, (self._clock_s + work_s, next(self._order), units, done))

    @property
    def next_end_s(self) -> float:
        """From now until something ends, unless something starts before."""
        return (self._running[0][0] - self._clock_s) / self._rate if self._running else math.inf

    def advance(self, elapsed_s: float) -> None:
        """Let time pass, at most until next_end_s."""
        if self._running:
            computed_s = elapsed_s * self._rate
            self._clock_s += computed_s
            self.busy_unit_s += computed_s * self._wanted

    def end_next(self) -> None:
        """What ends next ends now."""
        self._clock_s, _, units, done = heapq.heappop(self._running)
        self._wanted = self._wanted - units if self._running else 0.0
        done()

    @property
    def _rate(self) -> float:
        return 1.0 if self._wanted <= self._units else self._units / self._wanted
