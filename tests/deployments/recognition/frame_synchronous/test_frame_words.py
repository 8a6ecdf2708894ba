"""Frames to tokens to words, against slow and plain definitions."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.recognition.frame_synchronous.frame_words import FrameToken, FrameVocabulary, collapse, hypothesis_of

pytestmark = pytest.mark.unit

BLANK = 0
# Token 1 is the space, 4 a mark, 5 a special token.
VOCABULARY = FrameVocabulary(tuple(piece.encode() for piece in ("", "▁", "a", "b", ".", "", "▁c")), BLANK, frame_s=0.08)
FRAMES = st.lists(st.tuples(st.integers(0, 6), st.floats(-3.0, 0.0, width=32)), max_size=30)


def slow_collapse(labels: list[int], log_probabilities: list[float]) -> list[FrameToken]:
    """A frame at a time: a label that differs from the frame before begins a token."""
    tokens: list[FrameToken] = []
    before = BLANK
    for frame, (label, log_probability) in enumerate(zip(labels, log_probabilities, strict=True)):
        if label != BLANK and label != before:
            tokens.append(FrameToken(label, frame, frame + 1, log_probability))
        elif label != BLANK:
            last = tokens.pop()
            tokens.append(FrameToken(label, last.first_frame, frame + 1, max(last.log_probability, log_probability)))
        before = label
    return tokens


def collapsed(frames: list[tuple[int, float]]) -> list[FrameToken]:
    labels = np.array([label for label, _ in frames], np.int64)
    return collapse(labels, np.array([value for _, value in frames], np.float32), BLANK)


@given(FRAMES)
def test_runs_are_tokens_and_blanks_are_none(frames: list[tuple[int, float]]) -> None:
    assert collapsed(frames) == slow_collapse([label for label, _ in frames], [value for _, value in frames])


@given(FRAMES)
def test_words_spell_the_tokens_in_order_within_the_window(frames: list[tuple[int, float]]) -> None:
    tokens = collapsed(frames)
    duration_s = len(frames) * VOCABULARY.frame_s * 0.9
    words = hypothesis_of(tokens, VOCABULARY, duration_s, blank_log_probability=-0.5).words
    spelled = "".join(VOCABULARY.pieces[token.token].decode() for token in tokens)
    assert [word.text for word in words] == spelled.replace("▁", " ").split()
    for word in words:
        assert 0.0 <= word.start_s <= word.end_s <= duration_s
        assert 0.0 < word.confidence <= 1.0
    assert all(before.end_s <= after.start_s for before, after in pairwise(words))


def test_a_word_lasts_from_its_first_letter_to_its_last() -> None:
    """Neither the space before it nor the mark after it is heard."""
    tokens = [
        FrameToken(1, 2, 4, math.log(0.1)),
        FrameToken(2, 5, 6, math.log(0.9)),
        FrameToken(3, 8, 10, math.log(0.4)),
        FrameToken(4, 14, 15, math.log(0.2)),
    ]
    hypothesis = hypothesis_of(tokens, VOCABULARY, duration_s=10.0, blank_log_probability=-0.5)
    (word,) = hypothesis.words
    assert word.text == "ab."
    assert [word.start_s, word.end_s] == pytest.approx([5 * 0.08, 10 * 0.08])
    assert word.confidence == pytest.approx(math.sqrt(0.9 * 0.4))
    assert hypothesis.mean_log_probability == pytest.approx(math.log(0.1 * 0.9 * 0.4 * 0.2) / 4)


def test_a_mark_alone_has_the_time_it_was_said_at() -> None:
    (word,) = hypothesis_of([FrameToken(4, 3, 4, -0.1)], VOCABULARY, 1.0, blank_log_probability=-0.5).words
    assert word.text == "."
    assert word.start_s == pytest.approx(0.24)


def test_nothing_said_is_as_sure_as_the_blanks() -> None:
    hypothesis = hypothesis_of([], VOCABULARY, 1.0, blank_log_probability=-0.25)
    assert (hypothesis.words, hypothesis.mean_log_probability) == ((), -0.25)
