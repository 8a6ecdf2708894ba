"""Tokens back to words, for vocabularies of subword pieces and of single characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

WORD_START = "▁".encode()
"""What SentencePiece (Kudo & Richardson 2018, arXiv:1808.06226) writes for the space before a word."""


@dataclass(frozen=True, slots=True)
class TokenizedWord:
    """A word and the tokens [first_token, end_token) of the hypothesis that spell it."""

    text: str
    first_token: int
    end_token: int


def spell_words(pieces: Sequence[bytes]) -> list[TokenizedWord]:
    """Group the pieces of a hypothesis into words: a piece that begins with WORD_START begins a word.

    Pieces are UTF-8 bytes, which are joined before they are decoded, because a character may be spread over several
    pieces. An empty piece spells nothing.
    """
    starts = [index for index, piece in enumerate(pieces) if index == 0 or piece.startswith(WORD_START)]
    words = []
    for first, end in pairwise([*starts, len(pieces)]):
        text = b"".join(pieces[first:end]).replace(WORD_START, b" ").decode(errors="replace").strip()
        if text:
            words.append(TokenizedWord(text, first, end))
    return words


def word_confidences(words: Sequence[TokenizedWord], log_probabilities: npt.NDArray[np.float32]) -> list[float]:
    """Of each word the geometric mean of its tokens' probabilities; log_probabilities are those of all tokens."""
    # Plain numbers: numpy takes 10 us for the mean of a word, and batches on a GPU have thousands of words.
    values: list[float] = log_probabilities.tolist()
    return [geometric_mean(values[word.first_token : word.end_token]) for word in words]


def geometric_mean(log_probabilities: Sequence[float]) -> float:
    """Of probabilities, at least one, from their logarithms; rounding does not take it above 1."""
    return min(1.0, math.exp(sum(log_probabilities) / len(log_probabilities)))
