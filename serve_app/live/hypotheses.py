"""Partial texts that change little: what two hypotheses in a row agree on is shown for good.

LocalAgreement-2 (Liu, Spanakis and Niehues 2020, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation
by Partial Hypothesis Selection"; for speech recognition of growing audio: Macháček, Dabre and Bojar 2023, "Turning
Whisper into Real-Time Transcription System"). Words are compared without case and marks: both depend on what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from deployments.contracts import Word
from deployments.refinement.punctuation import MARKS

_OUTER_MARKS = MARKS + "\"'“”‘’()[]-–—"


class StablePrefix:
    """The words of one utterance that have been agreed on, and those of the newest hypothesis behind them."""

    def __init__(self) -> None:
        self.stable: tuple[Word, ...] = ()
        self._last: tuple[Word, ...] = ()

    def add(self, hypothesis: Sequence[Word]) -> tuple[Word, ...]:
        """What to show after the next hypothesis, which is of more audio than the one before.

        Returns:
            The stable words, never fewer or others than before, and behind them the hypothesis's own. A word that a
            hypothesis ends with loses its closing mark.
        """
        words = _without_closing_mark(hypothesis)
        tail = words[self._matched(words) :]
        last = self._last
        # The last word may be the beginning of a longer one in both, and the mark behind it is not known.
        agreed = sum(1 for _ in takewhile(lambda pair: _same(*pair), zip(last, tail[:-1], strict=False)))
        self.stable += tail[:agreed]
        self._last = tail[agreed:]
        return self.stable + self._last

    def _matched(self, words: Sequence[Word]) -> int:
        """How many words of a hypothesis stand for the stable ones: the same ones, or else those of the same time."""
        stable = self.stable
        if len(words) >= len(stable) and all(map(_same, words, stable)):
            return len(stable)
        end_s = stable[-1].end_s
        return sum(1 for _ in takewhile(lambda word: (word.start_s + word.end_s) / 2 <= end_s, words))


def _same(one: Word, other: Word) -> bool:
    return _folded(one.text) == _folded(other.text)


def _folded(text: str) -> str:
    return text.strip(_OUTER_MARKS).casefold() or text


def _without_closing_mark(words: Sequence[Word]) -> tuple[Word, ...]:
    if not words:
        return ()
    *before, last = words
    # The recogniser closes whatever it hears as if it were a whole sentence.
    return (*before, replace(last, text=last.text.rstrip(MARKS) or last.text))
