"""Tokens at frames become words at times; greedy CTC search."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from deployments.contracts import Word
from deployments.recognition.engine import Hypothesis
from deployments.recognition.spelling import WORD_START, geometric_mean, spell_words
from deployments.recognition.torch_checkpoint import Checkpoint, spelled_pieces


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

    @classmethod
    def of(cls, checkpoint: Checkpoint, blank: int, frame_s: float) -> FrameVocabulary:
        """A checkpoint's.

        Raises:
            EngineUnavailable: nothing in it says where words begin.
        """
        return cls(spelled_pieces(checkpoint.tokenizer, checkpoint.model.config.vocab_size), blank, frame_s)


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
        FrameToken(label, start, end, log_probability)
        for label, start, end, log_probability in zip(
            labels[starts].tolist(), starts.tolist(), ends.tolist(), surest.tolist(), strict=True
        )
        if label != blank
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
    words = spell_words(pieces)
    heard = [
        _heard(tokens[word.first_token : word.end_token], pieces[word.first_token : word.end_token]) for word in words
    ]
    starts = [of_word[0].first_frame for of_word in heard]
    # A token that lasts no frame is counted as one, and so may reach into the next word.
    ends = [min(of_word[-1].end_frame, start) for of_word, start in zip(heard, starts[1:], strict=False)]
    ends += [of_word[-1].end_frame for of_word in heard[-1:]]
    within = tuple(
        Word(
            word.text,
            min(start * vocabulary.frame_s, duration_s),
            min(end * vocabulary.frame_s, duration_s),
            geometric_mean([token.log_probability for token in of_word]),
        )
        for word, start, end, of_word in zip(words, starts, ends, heard, strict=True)
    )
    mean = sum(token.log_probability for token in tokens) / len(tokens) if tokens else blank_log_probability
    return Hypothesis(within, mean)


def _heard(tokens: Sequence[FrameToken], pieces: Sequence[bytes]) -> Sequence[FrameToken]:
    # The space before a word is not heard, and neither is the mark after it: NeMo, too, gives punctuation no time.
    return [token for token, piece in zip(tokens, pieces, strict=True) if not _is_silent(piece)] or tokens


# Vocabularies are small; to ask for the category of each character of a batch took most of the host's time.
@lru_cache(maxsize=2**16)
def _is_silent(piece: bytes) -> bool:
    text = piece.replace(WORD_START, b"").decode(errors="replace")
    return all(unicodedata.category(character).startswith("P") for character in text)
