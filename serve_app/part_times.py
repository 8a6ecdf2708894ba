"""Where one transcription spends its time."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

from deployments.signal_table import TRANSCRIPTION_STAGE, TRANSCRIPTION_STAGE_SPENT
from deployments.signals import Signals


class PartTimes:
    """Adds up the time in each part of the graph; speakers are told apart beside the others, so sums may exceed it."""

    def __init__(self, signals: Signals, clock: Callable[[], float] = time.monotonic) -> None:
        self._signals = signals
        self._clock = clock
        self._spent_s: defaultdict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def at(self, part: str) -> Iterator[None]:
        """The body belongs to a part."""
        begun_s = self._clock()
        try:
            yield
        finally:
            self._spent_s[part] += self._clock() - begun_s

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """The body is the transcription; its times are told however it ends."""
        try:
            yield
        finally:
            for part, spent_s in self._spent_s.items():
                self._signals.observe(TRANSCRIPTION_STAGE, spent_s, stage=part)
                self._signals.count(TRANSCRIPTION_STAGE_SPENT, spent_s, stage=part)
