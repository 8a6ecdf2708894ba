"""What replicas told about themselves lately, as levels and rates of the whole stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Series = Sequence[tuple[float, float]]
"""(time in seconds, value), ascending in time."""


class Readings:
    """The samples of a stage's running replicas over one look-back period, by the name of what was measured.

    Levels are means over the period; of what only grows, rates are taken from its first sample to its last. Where a
    replica has begun within the period there was nothing of it before: else what it took over from others would count
    twice, in their past and in its present, and a stage that has just grown would grow once more.
    """

    def __init__(self, series: Mapping[str, Sequence[Series]], queued_calls: float = 0.0) -> None:
        """``series``: for each name those of the replicas; ``queued_calls`` wait outside, for any of them."""
        self._series = series
        self.queued_calls = queued_calls

    @property
    def is_empty(self) -> bool:
        """Whether no replica has told anything."""
        return not any(one for of_replicas in self._series.values() for one in of_replicas)

    def level(self, name: str) -> float:
        """All replicas together."""
        series = self._of(name)
        samples = max(map(len, series), default=0)
        return sum(value for one in series for _, value in one) / samples if samples else 0.0

    def each(self, name: str) -> float:
        """The mean of the replicas; 0 without any."""
        series = self._of(name)
        return sum(_mean(one) for one in series) / len(series) if series else 0.0

    def rate(self, name: str) -> float:
        """By how much all replicas together grew in a second; 0 before there are two samples of one."""
        series = self._of(name)
        elapsed_s = max((one[-1][0] - one[0][0] for one in series), default=0.0)
        return sum(map(_growth, series)) / elapsed_s if elapsed_s > 0 else 0.0

    def ratio(self, over: str, under: str) -> float | None:
        """How much of the one came with each of the other, lately or else ever; None before there was any."""
        for of_series in (_growth, _last):
            divisor = sum(of_series(one) for one in self._of(under))
            if divisor > 0:
                return sum(of_series(one) for one in self._of(over)) / divisor
        return None

    def _of(self, name: str) -> list[Series]:
        return [one for one in self._series.get(name, ()) if one]


def _mean(series: Series) -> float:
    return sum(value for _, value in series) / len(series)


def _growth(series: Series) -> float:
    return series[-1][1] - series[0][1]


def _last(series: Series) -> float:
    return series[-1][1]
