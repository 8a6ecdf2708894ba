"""Moonshine's tokens back to text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deployments.recognition.spelling import TokenizedWord, spell_words

BEGIN_TOKEN = 1
END_TOKEN = 2

_LONG_PIECE = 128


class Tokenizer:
    """The pieces of ``tokenizer.bin``: each a length (one byte, or two from 128 on) and its UTF-8 bytes."""

    def __init__(self, file: Path) -> None:
        self._pieces = read_pieces(file.read_bytes())

    def words(self, tokens: Sequence[int]) -> list[TokenizedWord]:
        """The words that the tokens spell, in order."""
        return spell_words([self._pieces[token] for token in tokens])


def read_pieces(data: bytes) -> list[bytes]:
    """The pieces of a ``tokenizer.bin``, by token."""
    pieces, at = [], 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= _LONG_PIECE:
            length, at = data[at] * _LONG_PIECE + length - _LONG_PIECE, at + 1
        pieces.append(data[at : at + length])
        at += length
    return pieces
