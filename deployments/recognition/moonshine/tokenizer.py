"""Moonshine's tokens back to text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

BEGIN_TOKEN = 1
END_TOKEN = 2

_WORD_START = "▁".encode()
_LONG_PIECE = 128


@dataclass(frozen=True, slots=True)
class TokenizedWord:
    """A word and the tokens [first_token, end_token) of the hypothesis that spell it."""

    text: str
    first_token: int
    end_token: int


class Tokenizer:
    """The pieces of ``tokenizer.bin``: each a length (one byte, or two from 128 on) and its UTF-8 bytes."""

    def __init__(self, file: Path) -> None:
        self._pieces = _read_pieces(file.read_bytes())

    def __len__(self) -> int:
        return len(self._pieces)

    def words(self, tokens: Sequence[int]) -> list[TokenizedWord]:
        """Group tokens into words: a piece that begins with ▁ begins a word.

        Bytes are joined before they are decoded, because a character may be spread over several pieces.
        """
        starts = [
            index for index, token in enumerate(tokens) if index == 0 or self._pieces[token].startswith(_WORD_START)
        ]
        words = []
        for first, end in pairwise([*starts, len(tokens)]):
            spelled = b"".join(self._pieces[token] for token in tokens[first:end])
            text = spelled.replace(_WORD_START, b" ").decode(errors="replace").strip()
            if text:
                words.append(TokenizedWord(text, first, end))
        return words


def _read_pieces(data: bytes) -> list[bytes]:
    pieces, at = [], 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= _LONG_PIECE:
            length, at = data[at] * _LONG_PIECE + length - _LONG_PIECE, at + 1
        pieces.append(data[at : at + length])
        at += length
    return pieces
