"""Who talks when, for the answers that name speakers inside a stretch of the recording."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate

from deployments.contracts import SpeakerTurn


class TurnIndex:
    """The turns of a recording, found by time without looking at all of them: an hour has thousands."""

    def __init__(self, turns: Iterable[SpeakerTurn]) -> None:
        self._turns = sorted(turns, key=lambda turn: (turn.start_s, turn.end_s))
        self._starts_s = [turn.start_s for turn in self._turns]
        # How far any of the turns up to here reaches: never falls, so it can be searched like the starts.
        self._reached_s = list(accumulate((turn.end_s for turn in self._turns), max))

    def within(self, start_s: float, end_s: float) -> tuple[SpeakerTurn, ...]:
        """The parts of turns that lie in the stretch, sorted by start."""
        first = bisect_right(self._reached_s, start_s)
        behind = bisect_left(self._starts_s, end_s)
        return tuple(
            SpeakerTurn(turn.speaker, max(turn.start_s, start_s), min(turn.end_s, end_s))
            for turn in self._turns[first:behind]
            if turn.end_s > start_s
        )
