from __future__ import annotations

import numpy as np
import pytest

from deployments.decode.track_clock import TrackClock

pytestmark = pytest.mark.unit

FRAME_S = 0.02


def written_at_s(starts_s: list[float], clock: TrackClock) -> list[float]:
    """Where in the waveform each frame begins."""
    at_s, until_s = [], 0.0
    for start_s in starts_s:
        until_s += clock.silence_before_s(start_s, FRAME_S)
        at_s.append(until_s)
        until_s += FRAME_S
    return at_s


def frames_s(duration_s: float) -> list[float]:
    return [index * FRAME_S for index in range(round(duration_s / FRAME_S))]


def test_lost_packets_add_up() -> None:
    starts_s = [start_s for index, start_s in enumerate(frames_s(60.0)) if index % 10 != 5]

    errors_s = np.subtract(written_at_s(starts_s, TrackClock(None, 60.0)), starts_s)

    assert np.abs(errors_s).max() < 0.125


@pytest.mark.parametrize("rounding_s", [0.001, 0.005])
def test_times_that_are_rounded_leave_no_gaps(rounding_s: float) -> None:
    starts_s = [round(start_s / rounding_s) * rounding_s for start_s in frames_s(60.0)]

    assert written_at_s(starts_s, TrackClock(None, 60.0)) == pytest.approx(frames_s(60.0))


def test_the_jitter_of_a_recorder_averages_out() -> None:
    jitter_s = np.random.default_rng(0).uniform(0.0, 0.3, 3000)

    at_s = written_at_s(list(frames_s(60.0) + jitter_s), TrackClock(None, 60.0))

    assert at_s[-1] == pytest.approx(60.0, abs=0.35)


def test_a_clock_that_is_slightly_fast_tears_no_word_apart() -> None:
    starts_s = [1.001 * start_s for start_s in frames_s(600.0)]

    assert written_at_s(starts_s, TrackClock(None, 600.0)) == pytest.approx(frames_s(600.0))


def test_an_overlap_takes_nothing_away() -> None:
    starts_s = frames_s(5.0) + [4.5 + start_s for start_s in frames_s(5.0)]

    assert written_at_s(starts_s, TrackClock(None, 60.0)) == pytest.approx(frames_s(10.0))


def test_a_clock_that_starts_over_is_followed_from_there() -> None:
    gap_s = 2.0
    second = [start_s if start_s < 3.0 else start_s + gap_s for start_s in frames_s(5.0)]

    at_s = written_at_s(frames_s(30.0) + second, TrackClock(None, 60.0))

    assert at_s[len(frames_s(30.0)) :] == pytest.approx([30.0 + start_s for start_s in second])


@pytest.mark.parametrize(("longest_gap_s", "silence_s"), [(10.0, 0.0), (60.0, 30.0)])
def test_a_long_gap_is_silence_or_another_clock(longest_gap_s: float, silence_s: float) -> None:
    starts_s = frames_s(5.0) + [35.0 + start_s for start_s in frames_s(5.0)]

    at_s = written_at_s(starts_s, TrackClock(None, longest_gap_s))

    assert at_s[-1] == pytest.approx(silence_s + 10.0 - FRAME_S)


def test_frames_without_a_time_follow_on_the_one_before() -> None:
    clock = TrackClock(None, 60.0)

    assert clock.silence_before_s(7.0, FRAME_S) == 0.0
    assert clock.silence_before_s(None, FRAME_S) == 0.0
    assert clock.silence_before_s(8.04, FRAME_S) == pytest.approx(1.0)


def test_a_late_first_frame_has_silence_before_it() -> None:
    assert TrackClock(2.0, 60.0).silence_before_s(5.0, FRAME_S) == pytest.approx(3.0)
    assert TrackClock(None, 60.0).silence_before_s(5.0, FRAME_S) == 0.0


def test_a_clock_may_be_told_to_start_over() -> None:
    clock = TrackClock(None, 60.0)
    clock.silence_before_s(0.0, FRAME_S)
    clock.start_over()

    assert clock.silence_before_s(5.0, FRAME_S) == 0.0
