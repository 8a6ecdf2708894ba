"""Pieces to words."""

from __future__ import annotations

import pytest

from deployments.recognition.spelling import TokenizedWord, spell_words

pytestmark = pytest.mark.unit


def pieces(*texts: str) -> list[bytes]:
    return [text.encode() for text in texts]


def test_a_piece_with_the_mark_begins_a_word() -> None:
    assert spell_words(pieces("▁the", "▁b", "est", ".")) == [TokenizedWord("the", 0, 1), TokenizedWord("best.", 1, 4)]


def test_the_first_piece_begins_a_word_without_a_mark() -> None:
    assert spell_words(pieces("a", "b", "▁c")) == [TokenizedWord("ab", 0, 2), TokenizedWord("c", 2, 3)]


def test_a_character_spread_over_pieces_is_one() -> None:
    first, second = "é".encode()[:1], "é".encode()[1:]
    assert spell_words(["▁caf".encode(), first, second]) == [TokenizedWord("café", 0, 3)]


def test_spaces_and_pieces_that_spell_nothing_are_no_words() -> None:
    assert spell_words(pieces("▁", "▁", "a", "", "▁")) == [TokenizedWord("a", 1, 4)]
    assert spell_words([]) == []
