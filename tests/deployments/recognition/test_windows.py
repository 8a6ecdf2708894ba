from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import SAMPLE_RATE_HZ, Samples, TimeSpan
from deployments.recognition.windows import WindowSettings, plan_windows, quietest_point

pytestmark = pytest.mark.unit

SETTINGS = WindowSettings(longest_s=20.0, earliest_cut=0.4, longest_pause_s=3.0)


def noise(duration_s: float, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).standard_normal(int(duration_s * SAMPLE_RATE_HZ)).astype(np.float32)


@st.composite
def regions(draw: st.DrawFn) -> list[TimeSpan]:
    at_s, spans = 0.0, []
    for _ in range(draw(st.integers(1, 12))):
        at_s += draw(st.floats(0.1, 6.0))
        end_s = at_s + draw(st.floats(0.2, 45.0))
        spans.append(TimeSpan(at_s, end_s))
        at_s = end_s
    return spans


@given(regions())
def test_windows_cover_the_speech_in_order_and_are_never_too_long(spans: list[TimeSpan]) -> None:
    windows = plan_windows(noise(spans[-1].end_s), spans, SETTINGS)
    for window in windows:
        assert 0 < window.duration_s <= SETTINGS.longest_s + 1e-6
    for before, after in itertools.pairwise(windows):
        assert before.end_s <= after.start_s
    for span in spans:
        covered = sum(max(0.0, min(span.end_s, window.end_s) - max(span.start_s, window.start_s)) for window in windows)
        assert covered == pytest.approx(span.duration_s, abs=1e-6)


@given(regions())
def test_no_window_spans_a_long_pause(spans: list[TimeSpan]) -> None:
    windows = plan_windows(noise(spans[-1].end_s), spans, SETTINGS)
    for before, after in itertools.pairwise(spans):
        if after.start_s - before.end_s > SETTINGS.longest_pause_s:
            assert not any(w.start_s < before.end_s and w.end_s > after.start_s for w in windows)


def test_a_recording_that_fits_is_one_window() -> None:
    spans = [TimeSpan(0.5, 6.0), TimeSpan(7.0, 12.0), TimeSpan(12.5, 19.0)]
    assert plan_windows(noise(20), spans, SETTINGS) == [TimeSpan(0.5, 19.0)]


def test_the_cut_is_made_at_the_longest_pause() -> None:
    spans = [TimeSpan(0, 9), TimeSpan(9.2, 13), TimeSpan(14.5, 17), TimeSpan(17.3, 30)]
    assert plan_windows(noise(30), spans, SETTINGS) == [TimeSpan(0, 13), TimeSpan(14.5, 30)]


def test_speech_without_a_pause_is_cut_where_it_is_quietest() -> None:
    samples = noise(30)
    samples[int(12.0 * SAMPLE_RATE_HZ) : int(12.2 * SAMPLE_RATE_HZ)] *= 0.01
    first, second = plan_windows(samples, [TimeSpan(0, 30)], SETTINGS)
    assert first.end_s == second.start_s
    assert 12.0 <= first.end_s <= 12.2


@given(st.floats(0.5, 20.0), st.floats(0.0, 5.0))
def test_the_quietest_point_lies_in_its_span(duration_s: float, start_s: float) -> None:
    point_s = quietest_point(noise(30), TimeSpan(start_s, start_s + duration_s))
    assert start_s <= point_s <= start_s + duration_s
