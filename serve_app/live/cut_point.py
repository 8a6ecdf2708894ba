"""Where an utterance that is too long is best cut. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from serve_app.live.voice_activity import WINDOW_SAMPLES

# A tenth of a second: a shorter dip may lie inside a stop consonant.
_DIP_WINDOWS = 3


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a stream: its first sample, how probable speech is in it, and its level."""

    start: int
    probability: float
    level_dbfs: float


def best_cut(windows: Sequence[Window], pause_probability: float) -> int:
    """The middle of the longest pause; without one, of the quietest tenth of a second. Of equals the last.

    Args:
        windows: consecutive ones, among which to cut; at least one.
        pause_probability: a window below it belongs to a pause.

    Returns:
        The sample that is the first of what follows.
    """
    pauses = _runs([window.probability < pause_probability for window in windows])
    length, behind = max(pauses, default=(0, 0))
    if length < _DIP_WINDOWS:
        length = min(_DIP_WINDOWS, len(windows))
        behind = _quietest(windows, length) + length
    return windows[behind - 1].start + WINDOW_SAMPLES - length * WINDOW_SAMPLES // 2


def _quietest(windows: Sequence[Window], length: int) -> int:
    """Index of the first of so many windows whose loudest is the quietest."""
    loudest = [max(window.level_dbfs for window in windows[i : i + length]) for i in range(len(windows) - length + 1)]
    return min(range(len(loudest)), key=lambda index: (loudest[index], -index))


def _runs(flags: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Length of each run of true, and the index behind it."""
    length = 0
    for index, flag in enumerate([*flags, False]):
        if length and not flag:
            yield length, index
        length = length + 1 if flag else 0
