"""A clock that stands still until it is set."""

from __future__ import annotations


class FakeClock:
    """Seconds, as time.monotonic gives them; ``now_s`` is set by the test."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s
