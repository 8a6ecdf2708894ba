"""Where the time of an engine goes, part by part. The engine does not know: its attributes are wrapped meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Part(StrEnum):
    """Of the work on a batch."""

    FEATURES = "features"
    ENCODER = "encoder"
    DECODER = "decoder"
    ALIGNMENT = "alignment"
    HOST = "host"
    """Everything else: tokens to words, and what calls cost."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time that can be compared.

    Attributes:
        now_s: on a CPU processor time, so that other work on the machine does not count; on a GPU the wall's.
        wait: for work that was handed to the device; nothing to do on a CPU.
    """

    now_s: Callable[[], float]
    wait: Callable[[], None]

    def read_s(self) -> float:
        """Once the device is done."""
        self.wait()
        return self.now_s()


def clock_for(device: Any) -> Clock:
    """For a torch.device."""
    if device.type == "cpu":
        return Clock(time.process_time, lambda: None)
    import torch

    return Clock(time.perf_counter, lambda: torch.cuda.synchronize(device))


@dataclass(slots=True)
class Stopwatch:
    """Seconds by part. A part inside another counts for itself alone; what is in none of them is HOST."""

    clock: Clock
    spent_s: dict[Part, float] = field(default_factory=lambda: dict.fromkeys(Part, 0.0))
    _running: list[Part] = field(default_factory=list)
    _since_s: float = 0.0

    @contextmanager
    def part(self, part: Part) -> Iterator[None]:
        """Time what runs meanwhile."""
        self._switch()
        self._running.append(part)
        try:
            yield
        finally:
            self._switch()
            self._running.pop()

    def _switch(self) -> None:
        now_s = self.clock.read_s()
        if self._running:
            self.spent_s[self._running[-1]] += now_s - self._since_s
        self._since_s = now_s


@dataclass(frozen=True, slots=True)
class PartOf:
    """The attribute of an object (or module) that does a part when it is called."""

    owner: Any
    attribute: str
    part: Part


@contextmanager
def timed_parts(parts: Sequence[PartOf], stopwatch: Stopwatch) -> Iterator[None]:
    """Time the parts of what runs meanwhile; afterwards everything is as it was."""
    with ExitStack() as stack, stopwatch.part(Part.HOST):
        for part in parts:
            stack.enter_context(_wrapped(part, stopwatch))
        yield


class _Timed:
    """Stands for an object that is called, and has all its attributes."""

    def __init__(self, wrapped: Any, part: Part, stopwatch: Stopwatch) -> None:
        self._wrapped, self._part, self._stopwatch = wrapped, part, stopwatch

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self._stopwatch.part(self._part):
            return self._wrapped(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


@contextmanager
def _wrapped(part: PartOf, stopwatch: Stopwatch) -> Iterator[None]:
    original = getattr(part.owner, part.attribute)
    is_own = part.attribute in vars(part.owner)
    setattr(part.owner, part.attribute, _Timed(original, part.part, stopwatch))
    try:
        yield
    finally:
        # What the class has must not stay on the instance.
        if is_own:
            setattr(part.owner, part.attribute, original)
        else:
            delattr(part.owner, part.attribute)
