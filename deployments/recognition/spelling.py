"""Tokens back to words, for vocabularies of subword pieces and of single characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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
