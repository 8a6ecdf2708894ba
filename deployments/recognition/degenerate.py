"""Recognises output that says more about the model than about the audio: loops."""

from __future__ import annotations

from collections.abc import Sequence

# People do say a word three times; a fourth and fifth time without a pause is the model's doing far more often.
_MOST_REPEATS_OF_ONE = 5
_MOST_REPEATS_OF_MANY = 2
_LONGEST_PERIOD_WORDS = 20


def repeated_from(words: Sequence[str]) -> int | None:
    """Index at which a loop begins to repeat itself, or None.

    A loop is one word said more than five times in a row, or a run of two to twenty words said more than twice in a
    row. The index is that of the first repetition: words[:index] hold what was said once.
    """
    folded = [word.strip(".,!?;:").casefold() for word in words]
    for start, word in enumerate(folded):
        for period in range(1, min(_LONGEST_PERIOD_WORDS, (len(folded) - start) // 2) + 1):
            allowed = _MOST_REPEATS_OF_ONE if period == 1 else _MOST_REPEATS_OF_MANY
            end = start + period * (allowed + 1)
            if end > len(folded) or folded[start + period] != word:
                continue
            if folded[start + period : end] == folded[start : end - period]:
                return start + period
    return None
