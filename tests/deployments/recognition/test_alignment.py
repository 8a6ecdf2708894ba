from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from deployments.recognition.moonshine.alignment import FRAME_S, segment, timed_words, token_starts
from deployments.recognition.spelling import TokenizedWord

pytestmark = pytest.mark.unit


def hum(duration_s: float) -> Samples:
    """What somebody might say without a pause."""
    return np.sin(np.arange(round(duration_s * SAMPLE_RATE_HZ)) / 20).astype(np.float32)


@given(st.integers(1, 4), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_the_segmentation_is_the_best_there_is(rows: int, spare_frames: int, seed: int) -> None:
    frames = rows + spare_frames
    score = np.random.default_rng(seed).standard_normal((rows, frames))

    def total(starts: tuple[int, ...]) -> float:
        ends = [*starts[1:], frames]
        return float(
            sum(score[row, start:end].sum() for row, (start, end) in enumerate(zip(starts, ends, strict=True)))
        )

    best = max(((0, *cuts) for cuts in combinations(range(1, frames), rows - 1)), key=total)
    assert total(tuple(segment(score))) == pytest.approx(total(best))


@given(st.integers(1, 30), st.integers(1, 20))
def test_starts_never_go_back_even_with_more_tokens_than_frames(rows: int, frames: int) -> None:
    starts = segment(np.random.default_rng(0).standard_normal((rows, frames)))
    assert len(starts) == rows
    assert (np.diff(starts) >= 0).all()
    assert starts.max() < frames


def test_attention_that_moves_through_the_audio_gives_its_own_times() -> None:
    truth = [10, 20, 35, 50]
    alignment = np.full((2, 4, 60), 0.001, np.float32)
    for row, start in enumerate(truth):
        alignment[:, row, start : [*truth[1:], 60][row]] = 0.1
    assert list(token_starts(alignment)) == truth
    words = [TokenizedWord("one", 0, 1), TokenizedWord("two", 1, 3)]
    starts = token_starts(alignment)
    log_probabilities = np.log(np.array([0.5, 0.9, 0.4, 1.0], np.float32))
    window = hum(60 * FRAME_S)
    first, second = timed_words(words, log_probabilities, starts, window)
    assert (first.start_s, first.end_s) == pytest.approx((10 * FRAME_S, 20 * FRAME_S))
    assert (second.start_s, second.end_s) == pytest.approx((20 * FRAME_S, 50 * FRAME_S))
    assert first.confidence == pytest.approx(0.5)
    assert second.confidence == pytest.approx(0.6)


def test_a_word_ends_where_a_pause_begins() -> None:
    words = [TokenizedWord("one", 0, 1), TokenizedWord("two", 1, 2)]
    starts, log_probabilities = np.array([0, 100, 140]), np.zeros(3, np.float32)
    window = hum(140 * FRAME_S)
    window[30 * 384 : 97 * 384] = 0
    first, second = timed_words(words, log_probabilities, starts, window)
    assert (first.start_s, first.end_s) == pytest.approx((0, 31 * FRAME_S))
    assert (second.start_s, second.end_s) == pytest.approx((97 * FRAME_S, 140 * FRAME_S))
