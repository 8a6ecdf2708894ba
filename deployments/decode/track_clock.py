"""When the frames of a track belong, so that silence takes the place of what is missing."""

from __future__ import annotations

_SHORTEST_GAP_S = 0.1
"""Less is left out until it has added up: containers round their times, and recorders stamp frames as they come."""

_LONGEST_OVERLAP_S = 1.0
"""A clock that steps back further has started over. After a frame that was stamped late, the next ones seem early."""


class TrackClock:
    """Compares each frame's time with what has been written. All times are seconds of the file's own clock.

    Args:
        starts_s: when the recording begins, or None where it begins with its first frame.
        longest_gap_s: a clock that jumps further has started over.
    """

    def __init__(self, starts_s: float | None, longest_gap_s: float) -> None:
        self._longest_gap_s = longest_gap_s
        self._written_until_s = self._frame_ended_s = starts_s

    def start_over(self) -> None:
        """Expect frames of another clock."""
        self._written_until_s = self._frame_ended_s = None

    def silence_before_s(self, starts_s: float | None, lasts_s: float) -> float:
        """Take the next frame, and return the seconds of silence to write before it.

        Silence is put only where a frame does not follow on the one before: a clock that is slightly fast must not tear
        words apart.

        Args:
            starts_s: the frame's time, or None where the file does not tell.
            lasts_s: how long the frame is.
        """
        if starts_s is None:
            starts_s = self._frame_ended_s
        if starts_s is None:
            return 0.0
        if self._written_until_s is None or self._frame_ended_s is None:
            self._written_until_s = self._frame_ended_s = starts_s
        lag_s = starts_s - self._written_until_s
        is_behind_a_gap = starts_s - self._frame_ended_s > lasts_s / 2
        silence_s = 0.0
        if not -_LONGEST_OVERLAP_S <= lag_s <= self._longest_gap_s:
            self._written_until_s = starts_s
        elif lag_s > _SHORTEST_GAP_S and is_behind_a_gap:
            silence_s = lag_s
        self._written_until_s += silence_s + lasts_s
        self._frame_ended_s = starts_s + lasts_s
        return silence_s
