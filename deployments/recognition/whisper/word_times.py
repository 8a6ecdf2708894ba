"""Words with times and confidences from tokens with both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from deployments.contracts import Word
from deployments.recognition.spelling import TokenizedWord, word_confidences

# A word should not be longer than twice the median of the window's, nor that median count for more than 0.7 s: the rest
# is a pause, which has no token of its own (the reference's values).
_LONGEST_MEDIAN_S = 0.7
_LONGEST_IN_MEDIANS = 2.0
_SENTENCE_ENDS = frozenset(".。!！?？।")


def timed_words(
    words: Sequence[TokenizedWord],
    log_probabilities: npt.NDArray[np.float32],
    starts_s: npt.NDArray[np.float64],
    duration_s: float,
    *,
    are_aligned: bool = True,
) -> tuple[Word, ...]:
    """Words with times within the window and confidences, the geometric mean of their tokens' probabilities.

    Args:
        words: of one text.
        log_probabilities: one for each token.
        starts_s: one for each token and for the end of the last.
        duration_s: of the window.
        are_aligned: the starts were found in the audio, so that a long word is one with a pause.
    """
    starts = np.minimum(starts_s, duration_s).tolist()
    spans = [(starts[word.first_token], starts[word.end_token]) for word in words]
    confidences = word_confidences(words, log_probabilities)
    return tuple(
        Word(word.text, start_s, end_s, confidence)
        for word, (start_s, end_s), confidence in zip(
            words, _without_pauses(words, spans) if are_aligned else spans, confidences, strict=True
        )
    )


def shared_starts(words: Sequence[TokenizedWord], tokens: int, duration_s: float) -> npt.NDArray[np.float64]:
    """Starts of tokens for words that were not aligned: each takes time by its letters."""
    starts = np.zeros(tokens + 1)
    letters = np.cumsum([0, *(len(word.text) for word in words)])
    for index, word in enumerate(words):
        starts[word.first_token : word.end_token] = letters[index] / letters[-1]
        starts[word.end_token :] = letters[index + 1] / letters[-1]
    return starts * duration_s


def _without_pauses(words: Sequence[TokenizedWord], spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Cuts the pause off words that border one: the first of the window, and those on both sides of a full stop."""
    durations = [end_s - start_s for start_s, end_s in spans if end_s > start_s]
    if not durations:
        return list(spans)
    longest_s = _LONGEST_IN_MEDIANS * min(_LONGEST_MEDIAN_S, float(np.median(durations)))
    cut = []
    for index, (start_s, end_s) in enumerate(spans):
        if end_s - start_s <= longest_s:
            cut.append((start_s, end_s))
        elif index > 0 and _ends_sentence(words[index]):
            cut.append((start_s, start_s + longest_s))
        elif index == 0 or _ends_sentence(words[index - 1]):
            cut.append((end_s - longest_s, end_s))
        else:
            cut.append((start_s, end_s))
    return cut


def _ends_sentence(word: TokenizedWord) -> bool:
    return word.text.rstrip("\"'”»)]」』）")[-1:] in _SENTENCE_ENDS
