"""Other words in the place of those heard: what happens to marks and times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from deployments.contracts import Word
from deployments.refinement.sound_alike import is_spoken

# Said aloud, so they are no marks around a word: C++, @home.
_SIGNS = frozenset("+#&@$€£%")


def split_marks(text: str) -> tuple[str, str, str]:
    """Marks before, the word, marks after."""
    inside = [index for index, character in enumerate(text) if is_spoken(character) or character in _SIGNS]
    if not inside:
        return text, "", ""
    first, end = inside[0], inside[-1] + 1
    return text[:first], text[first:end], text[end:]


def without_marks(text: str) -> str:
    """The word alone."""
    return split_marks(text)[1]


def divided(heard: Sequence[Word], texts: Sequence[str]) -> list[Word]:
    """One word for each text over the time of those heard, as long as its letters; the texts are not set."""
    start_s, end_s = heard[0].start_s, max(word.end_s for word in heard)
    letters = [0, *accumulate(len(text) for text in texts)]
    cuts_s = [start_s + (end_s - start_s) * count / letters[-1] for count in letters[:-1]] + [end_s]
    confidence = mean_confidence(heard)
    return [
        replace(heard[0], start_s=cuts_s[index], end_s=cuts_s[index + 1], confidence=confidence)
        for index in range(len(texts))
    ]


def mean_confidence(words: Sequence[Word]) -> float:
    """Of at least one word."""
    return sum(word.confidence for word in words) / len(words)
