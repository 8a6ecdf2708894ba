"""Text that only grows: deltas of an item, one after another, are its transcript. Pure.

A hypothesis can change and a delta cannot, so that a delta is only what the engine does not expect to change. Where the
final text nevertheless differs from what was sent, what was sent stays, and the words spoken behind it follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deployments.contracts import Word
from deployments.text_joining import sentence_separator, separator


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text and the word that it came from; None where words and text do not match."""

    text: str
    word: Word | None


class GrowingText:
    """The transcript of one item, from one utterance or several."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self._sent = ""
        self._last_word: Word | None = None

    @property
    def text(self) -> str:
        """All deltas so far."""
        return "".join(piece.text for piece in self.pieces)

    def grow(self, text: str, words: Sequence[Word], stable_words: int) -> list[Piece]:
        """What a hypothesis of the running utterance adds: its stable words, where they go on from what was sent."""
        stable = _pieces(text, words)[:stable_words]
        joined = "".join(piece.text for piece in stable)
        return self._add(_behind(stable, len(self._sent))) if joined.startswith(self._sent) else []

    def complete(self, text: str, words: Sequence[Word]) -> list[Piece]:
        """What the final text of the running utterance adds; the next hypothesis is of another."""
        pieces = _pieces(text, words)
        if text.startswith(self._sent):
            added = self._add(_behind(pieces, len(self._sent)))
        else:
            end_s = self._last_word.end_s if self._last_word else 0.0
            spoken = [piece for piece in pieces if piece.word and (piece.word.start_s + piece.word.end_s) / 2 > end_s]
            added = self._add(_apart(spoken, separator, self.text))
        self._sent, self._last_word = "", None
        return added

    def _add(self, pieces: list[Piece]) -> list[Piece]:
        if not pieces:
            return []
        # Behind the utterance before.
        added = pieces if self._sent else _apart(pieces, sentence_separator, self.text)
        self._sent += "".join(piece.text for piece in pieces)
        self._last_word = pieces[-1].word or self._last_word
        self.pieces += added
        return added


def _pieces(text: str, words: Sequence[Word]) -> list[Piece]:
    """A text cut behind each of its words; together they are the text."""
    pieces, start = [], 0
    for word in words:
        found = text.find(word.text, start)
        if found < 0:
            break
        end = found + len(word.text)
        pieces.append(Piece(text[start:end], word))
        start = end
    if start < len(text):
        pieces.append(Piece(text[start:], None))
    return pieces


def _behind(pieces: Sequence[Piece], length: int) -> list[Piece]:
    """What follows the first ``length`` characters; a word may be cut in two, as before a mark that came later."""
    rest = []
    for piece in pieces:
        if length < len(piece.text):
            rest.append(Piece(piece.text[length:], piece.word))
        length = max(length - len(piece.text), 0)
    return rest


def _apart(pieces: list[Piece], between: Callable[[str, str], str], before: str) -> list[Piece]:
    if not pieces or pieces[0].text[:1].isspace():
        return pieces
    return [Piece(between(before, pieces[0].text) + pieces[0].text, pieces[0].word), *pieces[1:]]
