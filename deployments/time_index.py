"""What lies where in a recording, found without looking at all of it: an hour has thousands of turns and words."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """Has a place in a recording."""

    @property
    def start_s(self) -> float:
        """Where it begins."""

    @property
    def end_s(self) -> float:
        """Where it ends."""


Item = TypeVar("Item", bound=Timed)


class TimeIndex(Generic[Item]):
    """Items by time; they may overlap."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = sorted(items, key=lambda item: (item.start_s, item.end_s))
        self._starts_s = [item.start_s for item in self._items]
        # Of all items up to each, the one that ends last: its end never falls, so it can be searched like the starts.
        self._last_ending = list(accumulate(self._items, _later_end))

    def sharing(self, start_s: float, end_s: float) -> list[Item]:
        """Items that share time with a stretch, by start; around a stretch of no length, those that it lies in."""
        first = bisect_right(self._last_ending, start_s, key=lambda item: item.end_s)
        behind = bisect_left(self._starts_s, end_s)
        return [item for item in self._items[first:behind] if item.end_s > start_s]

    def closest(self, start_s: float, end_s: float) -> Item:
        """The item that shares most time with a stretch, or else is nearest; of equals the first.

        Raises:
            LookupError: there is none at all.
        """
        if not self._items:
            raise LookupError("nothing has a time")
        first = bisect_left(self._last_ending, start_s, key=lambda item: item.end_s)
        behind = bisect_left(self._starts_s, end_s)
        before = self._last_ending[first - 1 : first] if first else []
        around = before + self._items[first : behind + 1]
        return max(around, key=lambda item: _closeness(item, start_s, end_s))


def _later_end(first: Item, second: Item) -> Item:
    return second if second.end_s > first.end_s else first


def _closeness(item: Timed, start_s: float, end_s: float) -> tuple[float, float]:
    """Seconds that are shared; then how far one reaches into the other, which is negative where they are apart."""
    shared_s = min(end_s, item.end_s) - max(start_s, item.start_s)
    return max(shared_s, 0.0), min(end_s - item.start_s, item.end_s - start_s)
