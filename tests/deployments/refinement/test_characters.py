from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Segment, Word
from deployments.refinement.characters import canonical
from deployments.text_joining import joined_words
from tests.deployments.refinement.rewritten import segment

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ("cafe\u0301", "caf\u00e9"),
        ("\u202bשלום\u202c \u200fעולם", "שלום עולם"),
        ("\u2067abc\u2069 \u061cx", "abc x"),
        ("\ufeffhello wo\u00adrld", "hello world"),
        ("می\u200cخواهم ക\u0d4d\u200d", "می\u200cخواهم ക\u0d4d\u200d"),
    ],
)
def test_equal_text_is_written_equally(heard: str, text: str) -> None:
    assert canonical([segment(heard)])[0].text == text


def test_a_word_of_nothing_but_controls_is_left_out() -> None:
    (after,) = canonical([segment("a \u200e b")])
    assert [word.text for word in after.words] == ["a", "b"]


@given(st.lists(st.text(min_size=1, max_size=6), max_size=6))
def test_only_the_writing_changes(texts: list[str]) -> None:
    words = tuple(Word(text, index, index + 0.5, 0.9, "A") for index, text in enumerate(texts))
    (after,) = once = canonical([Segment(0.0, 9.0, joined_words(texts), "he", words)])
    assert canonical(once) == once
    assert after.text == joined_words(word.text for word in after.words)
    heard = {word.start_s: word for word in words}
    for word in after.words:
        assert word == replace(heard[word.start_s], text=word.text)
        assert unicodedata.is_normalized("NFC", word.text)
        assert not any(unicodedata.bidirectional(character) in _CONTROLS for character in word.text)


_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
