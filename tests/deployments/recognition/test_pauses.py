from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import SAMPLE_RATE_HZ, Samples, TimeSpan
from deployments.recognition.moonshine.pauses import find_pauses, without_pauses

pytestmark = pytest.mark.unit

Spans = list[tuple[float, float]]


def spoken(*pieces: tuple[float, float], noise_db: float = -80.0) -> Samples:
    """White noise for so many seconds at so many dB each, and more of it beneath."""
    random = np.random.default_rng(0)
    levels = np.concatenate([np.full(round(duration_s * SAMPLE_RATE_HZ), 10 ** (db / 20)) for duration_s, db in pieces])
    samples = random.standard_normal(len(levels)) * np.hypot(levels, 10 ** (noise_db / 20))
    return np.asarray(samples, np.float32)


def spans(pauses: list[TimeSpan]) -> list[float]:
    return [second for pause in pauses for second in (pause.start_s, pause.end_s)]


@pytest.mark.parametrize("noise_db", [-200.0, -80.0, -45.0])
def test_a_pause_is_found_over_any_noise_that_leaves_it_quiet(noise_db: float) -> None:
    window = spoken((1.0, -25), (0.6, -200), (1.4, -25), noise_db=noise_db)
    assert spans(find_pauses(window)) == pytest.approx([1.0, 1.6], abs=0.05)


def test_silence_at_both_edges_is_a_pause() -> None:
    assert spans(find_pauses(spoken((0.7, -200), (2.0, -25), (0.5, -200)))) == pytest.approx(
        [0.0, 0.7, 2.7, 3.2], abs=0.05
    )


def test_the_closure_of_a_consonant_is_no_pause() -> None:
    assert find_pauses(spoken((1.0, -25), (0.12, -200), (1.0, -25))) == []


def test_a_click_does_not_end_a_pause() -> None:
    window = spoken((1.0, -25), (0.5, -200), (0.01, -25), (0.5, -200), (1.0, -25))
    assert spans(find_pauses(window)) == pytest.approx([1.0, 2.01], abs=0.05)


def test_a_constant_offset_hides_no_pause() -> None:
    window = spoken((1.0, -25), (0.6, -200), (1.0, -25)) + np.float32(0.1)
    assert spans(find_pauses(window)) == pytest.approx([1.0, 1.6], abs=0.05)


def test_a_line_that_sends_nothing_hides_no_pause_with_noise_in_it() -> None:
    window = spoken((1.0, -25), (0.6, -45), (1.0, -25))
    silence = np.zeros(SAMPLE_RATE_HZ, np.float32)
    assert spans(find_pauses(np.concatenate([window, silence]))) == pytest.approx([1.0, 1.6, 2.6, 3.6], abs=0.05)


@pytest.mark.parametrize("window", [np.zeros(0), np.zeros(100), np.zeros(16_000), np.ones(16_000)])
def test_where_nothing_is_heard_nothing_is_a_pause(window: Samples) -> None:
    assert find_pauses(window.astype(np.float32)) == []


@pytest.mark.parametrize(
    ("words", "pause", "times"),
    [
        # One word lasts through the pause, the next one starts with it, at it, within it, or late.
        ([(0.0, 3.0), (3.0, 4.0)], (1.0, 3.0), [(0.0, 1.0), (3.0, 4.0)]),
        ([(0.0, 2.0), (2.0, 4.0)], (1.0, 3.0), [(0.0, 1.0), (3.0, 4.0)]),
        ([(0.0, 3.2), (3.2, 4.0)], (1.0, 3.0), [(0.0, 1.0), (3.0, 4.0)]),
        ([(0.0, 3.5), (3.5, 4.0)], (1.0, 3.0), [(0.0, 1.0), (3.5, 4.0)]),
        # Too much of it lies behind the pause.
        ([(0.0, 4.5), (4.5, 5.0)], (1.0, 3.0), [(0.0, 4.5), (4.5, 5.0)]),
        # Hardly any of it lies before.
        ([(0.0, 0.95), (0.95, 3.5)], (1.0, 3.0), [(0.0, 1.0), (3.0, 3.5)]),
        # Before the first word and behind the last.
        ([(0.1, 1.0), (1.0, 2.0)], (0.0, 0.7), [(0.7, 1.0), (1.0, 2.0)]),
        ([(0.0, 1.0), (1.0, 2.0)], (1.5, 2.1), [(0.0, 1.0), (1.0, 1.5)]),
        # Said softly.
        ([(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)], (0.9, 2.1), [(0.0, 0.9), (1.0, 2.0), (2.1, 3.0)]),
    ],
)
def test_words_are_heard_outside_of_pauses(words: Spans, pause: tuple[float, float], times: Spans) -> None:
    assert without_pauses(words, [TimeSpan(*pause)]) == times


def test_a_word_may_reach_over_several_pauses() -> None:
    found = without_pauses([(0.0, 4.1), (4.1, 5.0)], [TimeSpan(1.0, 2.0), TimeSpan(2.2, 4.0)])
    assert found == [(0.0, 1.0), (4.0, 5.0)]


def test_a_breath_is_not_the_first_word() -> None:
    found = without_pauses([(0.1, 1.4), (1.4, 2.0)], [TimeSpan(0.0, 0.5), TimeSpan(0.55, 1.2)])
    assert found == [(1.2, 1.4), (1.4, 2.0)]


edges = st.lists(st.floats(0.0, 15.0), max_size=24, unique=True).map(sorted)


@given(edges, edges)
def test_words_stay_in_order(word_edges: list[float], pause_edges: list[float]) -> None:
    words = list(pairwise(word_edges))
    pauses = [TimeSpan(*pause) for pause in zip(pause_edges[::2], pause_edges[1::2], strict=False)]
    times = without_pauses(words, pauses)
    assert len(times) == len(words)
    seconds = [second for span in times for second in span]
    assert seconds == sorted(seconds)
