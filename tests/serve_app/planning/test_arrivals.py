from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.recognition.windows import WindowSettings
from serve_app.planning.arrivals import (
    HIGHEST_PEAK,
    DailyProfile,
    LengthMix,
    Workload,
    poisson_requests,
    windows_of,
)

pytestmark = pytest.mark.unit

MIX = LengthMix.of([(10, 60), (60, 25), (300, 13), (1800, 2)])


@given(peak=st.floats(1, 6))
def test_the_busiest_of_many_moments_has_the_peak_and_the_day_its_mean(peak: float) -> None:
    factors = DailyProfile(peak).factors(1440)
    assert max(factors) == factors[0] == pytest.approx(peak, rel=1e-4)
    assert np.mean(factors) == pytest.approx(1.0)


def test_no_peak_is_no_course_of_the_day() -> None:
    assert set(DailyProfile(1).factors()) == {1.0}


@pytest.mark.parametrize("peak", [0.5, HIGHEST_PEAK + 1, float("nan")])
def test_a_peak_must_be_possible(peak: float) -> None:
    with pytest.raises(ValueError, match="peak"):
        DailyProfile(peak)


def test_arrivals_have_the_rate_and_the_mix() -> None:
    workload = Workload(MIX, 0.9, 15.0, diarized_share=0.3)
    requests = poisson_requests(workload, 4.0, 20_000, seed=0)
    gaps_s = np.diff([0.0, *(request.arrival_s for request in requests)])
    assert gaps_s.mean() == pytest.approx(0.25, rel=0.03)
    # Exponential: as far apart as they scatter.
    assert gaps_s.std() == pytest.approx(gaps_s.mean(), rel=0.03)
    assert np.mean([request.duration_s for request in requests]) == pytest.approx(MIX.mean_s, rel=0.06)
    assert np.mean([request.is_diarized for request in requests]) == pytest.approx(0.3, abs=0.02)
    assert max(request.duration_s for request in requests) <= MIX.longest_s


def test_another_rate_brings_the_same_recordings() -> None:
    workload = Workload(MIX, 1.0, 15.0)
    slow, fast = (poisson_requests(workload, rate_hz, 50, seed=7) for rate_hz in (1.0, 10.0))
    assert [request.windows_s for request in slow] == [request.windows_s for request in fast]
    assert slow[-1].arrival_s == pytest.approx(10 * fast[-1].arrival_s)


@given(speech_s=st.floats(0.1, 4000), seed=st.integers(0, 99))
def test_windows_are_as_long_as_the_recogniser_cuts_them(speech_s: float, seed: int) -> None:
    windows_s = windows_of(speech_s, 15.0, np.random.default_rng(seed))
    shortest_cut_s = WindowSettings(longest_s=15.0).shortest_cut_s
    assert sum(windows_s) == pytest.approx(speech_s)
    assert max(windows_s) <= 15.0
    assert all(window_s >= shortest_cut_s for window_s in windows_s[:-1])
    assert windows_s[-1] >= min(speech_s, shortest_cut_s / 2) - 1e-9


@pytest.mark.parametrize("weights", [[], [(10, 0)], [(-1, 2)], [(float("nan"), 1)], [(10, 1), (10, 2)]])
def test_a_mix_must_be_one(weights: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="length"):
        LengthMix.of(weights)


def test_shares_add_up() -> None:
    mix = LengthMix.of([(60, 1), (10, 3)])
    assert [(entry.mean_s, entry.share) for entry in mix.classes] == [(10, 0.75), (60, 0.25)]
    assert mix.mean_s == 22.5
