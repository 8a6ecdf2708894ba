"""Attention to frames, frames to words."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.ndimage import median_filter

from deployments.recognition.spelling import TokenizedWord
from deployments.recognition.whisper.alignment import median_of_7
from deployments.recognition.whisper.warping import token_starts
from deployments.recognition.whisper.word_times import shared_starts, timed_words

pytestmark = pytest.mark.unit


def _score_of(starts: tuple[int, ...], score: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """The best path that enters the rows at these frames: each row is left at, or one before, the next one's."""
    sums = np.concatenate([np.zeros((len(score), 1)), np.cumsum(score, axis=1)], axis=1)
    total = 0.0
    for row, start in enumerate(starts):
        if row + 1 == len(starts):
            total += sums[row, -1] - sums[row, start]
        else:
            following = starts[row + 1]
            ends = [end for end in (following, following + 1) if end > start]
            total += max(sums[row, end] - sums[row, start] for end in ends) if ends else -np.inf
    return float(total)


Scores = list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]
_SCORE = st.tuples(st.integers(1, 4), st.integers(1, 6)).flatmap(
    lambda shape: arrays.arrays(np.float64, shape, elements=st.floats(-3, 3, width=16))
)


@given(scores=st.lists(_SCORE, min_size=1, max_size=3), behind=st.floats(-9, 9))
def test_no_path_through_the_frames_of_a_text_scores_more(scores: Scores, behind: float) -> None:
    rows, frames = (torch.tensor([score.shape[axis] for score in scores]) for axis in (0, 1))
    padded = torch.full((len(scores), int(rows.max()), int(frames.max())), behind, dtype=torch.float64)
    for row, score in zip(padded, scores, strict=True):
        row[: score.shape[0], : score.shape[1]] = torch.from_numpy(score)
    for row, score in zip(token_starts(padded, rows, frames), scores, strict=True):
        starts = tuple(row[: len(score)].tolist())
        every = [(0, *rest) for rest in itertools.combinations_with_replacement(range(score.shape[1]), len(score) - 1)]
        assert starts in every
        assert _score_of(starts, score) == pytest.approx(max(_score_of(each, score) for each in every))


@given(
    values=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 3), st.integers(4, 20)), elements=st.floats(-9, 9, width=16)
    )
)
def test_the_network_finds_the_median(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    expected = median_filter(values, (1, 7), mode="mirror")
    assert np.array_equal(median_of_7(torch.from_numpy(values)).numpy(), expected)


def _words(*texts: str) -> list[TokenizedWord]:
    return [TokenizedWord(text, index, index + 1) for index, text in enumerate(texts)]


def test_words_take_the_times_and_probabilities_of_their_tokens() -> None:
    words = [TokenizedWord("hello", 0, 2), TokenizedWord("you", 2, 3)]
    timed = timed_words(words, np.log([0.9, 0.4, 0.5]).astype(np.float32), np.array([0.2, 0.4, 0.6, 1.2]), 1.0)
    assert [(word.start_s, word.end_s) for word in timed] == [(0.2, 0.6), (0.6, 1.0)]
    assert [word.confidence for word in timed] == pytest.approx([0.6, 0.5])


def test_a_pause_is_not_part_of_the_words_beside_it() -> None:
    starts = np.array([0.0, 2.3, 2.6, 2.9, 5.0, 5.3, 8.0, 8.3])
    words = _words("After", "a", "while.", "Nothing", "more.", "Still", "so")
    timed = timed_words(words, np.zeros(7, np.float32), starts, 9.0)
    assert timed[0].start_s == pytest.approx(2.3 - 0.6)
    assert (timed[2].start_s, timed[2].end_s) == (2.6, 2.9)
    # The word after a full stop loses its beginning; the one before keeps it and loses its end.
    assert (timed[3].start_s, timed[3].end_s) == pytest.approx((5.0 - 0.6, 5.0))
    assert (timed[5].start_s, timed[5].end_s) == pytest.approx((8.0 - 0.6, 8.0))


def test_without_alignment_words_share_the_window_by_their_letters() -> None:
    starts = shared_starts([TokenizedWord("ab", 0, 2), TokenizedWord("cdefgh", 2, 3)], 3, 4.0)
    assert starts.tolist() == [0.0, 0.0, 1.0, 4.0]
