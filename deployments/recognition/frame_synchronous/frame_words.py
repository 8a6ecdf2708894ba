"""Tokens at frames become words at times; greedy CTC search."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from deployments.contracts import Word
from deployments.recognition.engine import Hypothesis
from deployments.recognition.spelling import WORD_START, TokenizedWord, spell_words


@dataclass(frozen=True, slots=True)
class FrameToken:
    """A token that was heard in the frames [first_frame, end_frame)."""

    token: int
    first_frame: int
    end_frame: int
    log_probability: float


@dataclass(frozen=True, slots=True)
class FrameVocabulary:
    """How tokens at frames are read.

    Attributes:
        pieces: what each token spells, see spell_words.
        blank: the token that says that there is none.
        frame_s: length of a frame.
    """

    pieces: tuple[bytes, ...]
    blank: int
    frame_s: float


def collapse(labels: npt.NDArray[np.int64], log_probabilities: npt.NDArray[np.float32], blank: int) -> list[FrameToken]:
    """Greedy CTC search (Graves et al. 2006): runs of a label are one token, blanks are none.

    Args:
        labels: the likeliest of each frame, [frames].
        log_probabilities: theirs, [frames]. A token's is that of its surest frame: the others are where it fades.
        blank: the label for nothing.
    """
    if not len(labels):
        return []
    starts = np.flatnonzero(np.concatenate([[True], labels[1:] != labels[:-1]]))
    ends = np.append(starts[1:], len(labels))
    surest = np.maximum.reduceat(log_probabilities, starts)
    return [
        FrameToken(int(labels[start]), int(start), int(end), float(log_probability))
        for start, end, log_probability in zip(starts, ends, surest, strict=True)
        if labels[start] != blank
    ]


def hypothesis_of(
    tokens: Sequence[FrameToken], vocabulary: FrameVocabulary, duration_s: float, blank_log_probability: float
) -> Hypothesis:
    """Words with times within the window and confidences, the geometric mean of their tokens' probabilities.

    Args:
        tokens: in order of their first frames.
        vocabulary: how to read them.
        duration_s: of the window; the last frame may reach beyond it.
        blank_log_probability: how sure the model was of nothing, the answer's probability where there is no token.
    """
    pieces = [vocabulary.pieces[token.token] for token in tokens]
    words = [
        _timed(word, tokens[word.first_token : word.end_token], pieces[word.first_token : word.end_token], vocabulary)
        for word in spell_words(pieces)
    ]
    # A token that lasts no frame is counted as one, and so may reach into the next word.
    ends_s = [min(word.end_s, after.start_s) for word, after in pairwise(words)] + [word.end_s for word in words[-1:]]
    within = tuple(
        replace(word, start_s=min(word.start_s, duration_s), end_s=min(end_s, duration_s))
        for word, end_s in zip(words, ends_s, strict=True)
    )
    mean = float(np.mean([token.log_probability for token in tokens])) if tokens else blank_log_probability
    return Hypothesis(within, mean)


def _timed(
    word: TokenizedWord, tokens: Sequence[FrameToken], pieces: Sequence[bytes], vocabulary: FrameVocabulary
) -> Word:
    # The space before a word is not heard, and neither is the mark after it: NeMo, too, gives punctuation no time.
    heard = [token for token, piece in zip(tokens, pieces, strict=True) if not _is_silent(piece)] or list(tokens)
    confidence = float(np.exp(np.mean([token.log_probability for token in heard])))
    start_s, end_s = heard[0].first_frame * vocabulary.frame_s, heard[-1].end_frame * vocabulary.frame_s
    return Word(word.text, start_s, end_s, min(1.0, confidence))


def _is_silent(piece: bytes) -> bool:
    text = piece.replace(WORD_START, b"").decode(errors="replace")
    return all(unicodedata.category(character).startswith("P") for character in text)
