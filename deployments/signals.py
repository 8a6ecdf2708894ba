"""What the service tells about itself, as numbers: the seam between the code that measures and what carries it out.

Nothing here knows Ray or Prometheus. Code that measures is given a Signals; engines and the batcher are given a
narrower callable. All series are declared in deployments/signal_table.py, so that docs/metrics.md can be complete.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from deployments.errors import RayscribeError


@dataclass(frozen=True, slots=True)
class Counter:
    """Only grows; ``name`` has no ``_total``, which the export adds."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gauge:
    """A level, of this process."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """How values are spread; ``buckets`` are their upper bounds, ascending and positive.

    Ray's export computes the sum of a histogram from the middles of its buckets: what is to be divided needs a counter.
    """

    name: str
    help: str
    buckets: tuple[float, ...]
    labels: tuple[str, ...] = ()


class Signals(Protocol):
    """Takes measurements. Every method returns at once and may be called from any thread.

    Values of labels come from small fixed sets: never an id, a key, a URL or anything that a caller sent.
    """

    def count(self, counter: Counter, amount: float = 1.0, **labels: str) -> None:
        """Add an amount, which may be 0."""
        ...

    def set(self, gauge: Gauge, value: float, **labels: str) -> None:
        """Note a level."""
        ...

    def observe(self, histogram: Histogram, value: float, **labels: str) -> None:
        """Note one value."""
        ...


class SilentSignals:
    """Implements Signals for whoever does not want to know: tools that use a stage without a service."""

    def count(self, counter: Counter, amount: float = 1.0, **labels: str) -> None:
        """See Signals."""

    def set(self, gauge: Gauge, value: float, **labels: str) -> None:
        """See Signals."""

    def observe(self, histogram: Histogram, value: float, **labels: str) -> None:
        """See Signals."""


SILENT = SilentSignals()

WorkObserver = Callable[[float, float], None]
"""Is told of each call of an engine, in the engine's thread: seconds that it waited, seconds that it worked."""


def unobserved(_waited_s: float, _worked_s: float) -> None:
    """A WorkObserver that does nothing."""


def failure_label(error: BaseException) -> str:
    """How work ended that raised, as the value of a label: an error of ours by its class, ``rate_limit_reached``.

    Work that was cancelled is ``cancelled``, and a mistake, whatever its class, ``internal_error``.
    """
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    if not isinstance(error, RayscribeError):
        return "internal_error"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
