"""Give every word its speaker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deployments.contracts import SpeakerTurn, Word
from deployments.time_index import TimeIndex

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
    index = TimeIndex(sorted(turns, key=lambda turn: turn.speaker))
    candidates = [_speakers_of(word, index) for word in words]
    speakers: list[str] = []
    for position, tied in enumerate(candidates):
        before = speakers[-1:]
        after = candidates[position + 1][:1] if position + 1 < len(candidates) else []
        speakers.append(next((name for name in (*before, *after) if name in tied), tied[0]))
    return tuple(replace(word, speaker=speaker) for word, speaker in zip(words, speakers, strict=True))


def _speakers_of(word: Word, turns: TimeIndex[SpeakerTurn]) -> list[str]:
    """Speakers with the largest overlap, or else the least distance; more than one where it is a tie."""
    overlaps_s: dict[str, float] = {}
    for turn in turns.sharing(word.start_s, word.end_s):
        shared_s = min(word.end_s, turn.end_s) - max(word.start_s, turn.start_s)
        if shared_s > 0:
            overlaps_s[turn.speaker] = overlaps_s.get(turn.speaker, 0.0) + shared_s
    if overlaps_s:
        most_s = max(overlaps_s.values())
        return [speaker for speaker, shared_s in overlaps_s.items() if shared_s > most_s - TIE_S]
    return [turns.closest(word.start_s, word.end_s).speaker]
