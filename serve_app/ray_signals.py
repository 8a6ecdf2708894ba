"""Signals over Ray's metrics: each node exports those of its replicas for Prometheus."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.serve import metrics

from deployments.signals import Counter, Gauge, Histogram

# Ray's export forgets a gauge that was not set for two of its intervals, and has none below a second.
_REPEATS_PER_INTERVAL = 2
_SHORTEST_INTERVAL_MS = 1000

_Level = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class RaySignals:
    """Implements Signals. Travels to a replica as an argument, and takes up its names there at the first record.

    A record takes some 4 µs, and a gauge repeats itself in a thread for as long as the process lives.
    """

    _carriers: dict[str, Any] = field(default_factory=dict)
    _levels: dict[_Level, float] = field(default_factory=dict)
    _repeats: bool = False

    def count(self, counter: Counter, amount: float = 1.0, **labels: str) -> None:
        """See Signals."""
        # Ray refuses to add nothing.
        if amount:
            carrier = self._carriers.get(counter.name)
            if carrier is None:
                carrier = metrics.Counter(counter.name, counter.help, counter.labels)
                self._carriers[counter.name] = carrier
            carrier.inc(amount, labels)

    def set(self, gauge: Gauge, value: float, **labels: str) -> None:
        """See Signals."""
        carrier = self._carriers.get(gauge.name)
        if carrier is None:
            carrier = self._carriers[gauge.name] = metrics.Gauge(gauge.name, gauge.help, gauge.labels)
        carrier.set(value, labels)
        self._levels[gauge.name, tuple(labels.items())] = value
        if not self._repeats:
            self._repeats = True
            threading.Thread(target=self._repeat, name="gauges", daemon=True).start()

    def observe(self, histogram: Histogram, value: float, **labels: str) -> None:
        """See Signals."""
        carrier = self._carriers.get(histogram.name)
        if carrier is None:
            carrier = metrics.Histogram(histogram.name, histogram.help, list(histogram.buckets), histogram.labels)
            self._carriers[histogram.name] = carrier
        carrier.observe(value, labels)

    def _repeat(self) -> None:
        report_interval_ms = max(_SHORTEST_INTERVAL_MS, ray._config.metrics_report_interval_ms())
        while True:
            time.sleep(report_interval_ms / 1000 / _REPEATS_PER_INTERVAL)
            for name, labels in tuple(self._levels):
                # Read as late as can be: one that is set at this moment must not be overwritten with its last value.
                self._carriers[name].set(self._levels[name, labels], dict(labels))
