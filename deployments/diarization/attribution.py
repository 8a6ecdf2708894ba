"""Give every word its speaker."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from deployments.contracts import SpeakerTurn, Word

TIE_S = 0.01
"""Overlaps closer than this are a tie: half of the recogniser's finest step."""


def attribute_words(words: Sequence[Word], turns: Sequence[SpeakerTurn]) -> tuple[Word, ...]:
    """Name the speaker of each word.

    A word goes to the speaker who talks through most of it; where no one does, to the nearest turn. Where
    speakers share a word equally, as in overlapped speech, it stays with the speaker of the word before, else
    goes with the one of the word after, else to whoever's turn begins first.

    Args:
        words: sorted by start.
        turns: those of one speaker do not overlap.

    Returns:
        The same words in the same order, each with a speaker if there is any turn, else as they came.
    """
    if not turns:
        return tuple(words)
    index = _TurnIndex(turns)
    candidates = [index.speakers_of(word) for word in words]
    speakers: list[str] = []
    for position, tied in enumerate(candidates):
        before = speakers[-1:]
        after = candidates[position + 1][:1] if position + 1 < len(candidates) else []
        speakers.append(next((name for name in (*before, *after) if name in tied), tied[0]))
    return tuple(replace(word, speaker=speaker) for word, speaker in zip(words, speakers, strict=True))


class _TurnIndex:
    """Turns by time; looks only at those around a word, so that hours of words stay linear."""

    def __init__(self, turns: Sequence[SpeakerTurn]) -> None:
        self._turns = sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker))
        self._starts_s = [turn.start_s for turn in self._turns]
        # Of all turns up to each, the one that ends last: where it ends before a word, none of them reaches it.
        self._last_ending = list(accumulate(self._turns, _later_end))

    def speakers_of(self, word: Word) -> list[str]:
        """Speakers with the largest overlap, or else the least distance; more than one where it is a tie."""
        begin = bisect_left(self._last_ending, word.start_s, key=lambda turn: turn.end_s)
        end = bisect_left(self._starts_s, word.end_s)
        overlaps_s: dict[str, float] = {}
        for turn in self._turns[begin:end]:
            shared_s = min(word.end_s, turn.end_s) - max(word.start_s, turn.start_s)
            if shared_s > 0:
                overlaps_s[turn.speaker] = overlaps_s.get(turn.speaker, 0.0) + shared_s
        if overlaps_s:
            most_s = max(overlaps_s.values())
            return [speaker for speaker, shared_s in overlaps_s.items() if shared_s > most_s - TIE_S]
        return [self._nearest(word, begin, end)]

    def _nearest(self, word: Word, begin: int, end: int) -> str:
        """The speaker of the turn that ends last before the word or begins first after it."""
        before = self._last_ending[begin - 1 : begin] if begin else []
        # Turns between begin and end share no time with the word, but may touch it, or hold one of no length.
        around = before + self._turns[begin : end + 1]
        return min(around, key=lambda turn: max(turn.start_s - word.end_s, word.start_s - turn.end_s)).speaker


def _later_end(first: SpeakerTurn, second: SpeakerTurn) -> SpeakerTurn:
    return second if second.end_s > first.end_s else first
