"""Signals that remember what they were told."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from deployments.signals import Counter, Gauge, Histogram

Series = tuple[str, tuple[str, ...]]
"""A name, and the values of the labels in their declared order."""


@dataclass
class RecordedSignals:
    """Implements Signals as strictly as Ray's metrics do."""

    counts: dict[Series, float] = field(default_factory=lambda: defaultdict(float))
    levels: dict[Series, float] = field(default_factory=dict)
    values: dict[Series, list[float]] = field(default_factory=lambda: defaultdict(list))

    def count(self, counter: Counter, amount: float = 1.0, **labels: str) -> None:
        assert amount >= 0
        if amount:
            self.counts[_series(counter, labels)] += amount

    def set(self, gauge: Gauge, value: float, **labels: str) -> None:
        self.levels[_series(gauge, labels)] = value

    def observe(self, histogram: Histogram, value: float, **labels: str) -> None:
        self.values[_series(histogram, labels)].append(value)

    def counted(self, counter: Counter, *labels: str) -> float:
        return self.counts.get((counter.name, labels), 0.0)

    def level(self, gauge: Gauge, *labels: str) -> float:
        return self.levels[gauge.name, labels]

    def observed(self, histogram: Histogram, *labels: str) -> list[float]:
        return self.values.get((histogram.name, labels), [])


def _series(declared: Counter | Gauge | Histogram, labels: dict[str, str]) -> Series:
    assert set(labels) == set(declared.labels), f"{declared.name} has the labels {declared.labels}, not {labels}"
    assert all(isinstance(value, str) for value in labels.values())
    return declared.name, tuple(str(labels[label]) for label in declared.labels)
