"""How much work one recording may cause, and the watch that is kept while the work is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from deployments.errors import DeadlineExceeded
from deployments.stopping import ShouldStop, raise_if_stopped


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """The most that one recording may cost.

    Attributes:
        max_bytes: size of the file as it came. 100 MiB holds two hours of 16-bit 44.1 kHz FLAC speech.
        max_duration_s: seconds of decoded audio, by the file's own statement and by count. Two hours of
            waveform are 461 MB of memory.
        max_wall_s: seconds that decoding may take. Two hours of Opus, the slowest of the common codecs, take
            11 s of one core; what needs ten times as long is built to be slow, or the machine is out of breath.
    """

    max_bytes: int = 100 * 1024 * 1024
    max_duration_s: float = 7200.0
    max_wall_s: float = 120.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive")


class DecodeWatch:
    """Ends one decode when its caller is gone or its time is up."""

    def __init__(
        self,
        max_wall_s: float,
        should_stop: ShouldStop,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_wall_s = max_wall_s
        self._should_stop = should_stop
        self._clock = clock
        self._ends_at_s = clock() + max_wall_s

    def check(self) -> None:
        """Return if the work may go on.

        Raises:
            Cancelled: should_stop() is true.
            DeadlineExceeded: max_wall_s have passed since the watch began.
        """
        raise_if_stopped(self._should_stop)
        if self._clock() > self._ends_at_s:
            raise DeadlineExceeded(f"Decoding the audio took longer than {self._max_wall_s:g} seconds")
