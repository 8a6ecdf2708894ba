from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import TimeSpan
from deployments.speech_gate.regions import RegionSettings, speech_regions
from deployments.speech_gate.silero import FRAME_S, Probabilities

pytestmark = pytest.mark.unit

SETTINGS = RegionSettings()
BARE = replace(SETTINGS, padding_s=0.0)

probability_tracks = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.34, 0.35, 0.4, 0.5, 0.7, 1.0]), st.integers(1, 60)), max_size=30
).map(lambda steps: track(*steps))
region_settings = st.builds(
    RegionSettings,
    min_speech_s=st.floats(0.0, 1.0),
    join_gap_s=st.floats(0.0, 0.5),
    near_s=st.floats(0.5, 2.0),
    padding_s=st.floats(0.0, 1.0),
)


def track(*steps: tuple[float, int]) -> Probabilities:
    """Probabilities that hold each value for so many frames."""
    values = [np.full(frames, value, np.float32) for value, frames in steps]
    return np.concatenate(values) if values else np.zeros(0, np.float32)


def regions_of(probabilities: Probabilities, settings: RegionSettings = BARE) -> tuple[TimeSpan, ...]:
    return speech_regions(probabilities, len(probabilities) * FRAME_S, settings)


def in_frames(regions: Sequence[TimeSpan]) -> list[tuple[int, int]]:
    return [(round(region.start_s / FRAME_S), round(region.end_s / FRAME_S)) for region in regions]


def test_speech_between_silence_is_one_region() -> None:
    assert in_frames(regions_of(track((0.0, 50), (0.9, 30), (0.0, 50)))) == [(50, 80)]


def test_a_doubtful_frame_neither_starts_nor_ends_speech() -> None:
    assert in_frames(regions_of(track((0.4, 20), (0.9, 10), (0.4, 5), (0.9, 10), (0.4, 3), (0.1, 50)))) == [(20, 48)]


def test_doubt_alone_is_no_speech() -> None:
    assert regions_of(track((0.49, 500))) == ()


def test_a_burst_is_no_speech() -> None:
    assert regions_of(track((0.0, 100), (1.0, 7), (0.0, 100))) == ()
    assert in_frames(regions_of(track((0.0, 100), (1.0, 8), (0.0, 100)))) == [(100, 108)]


def test_bursts_do_not_add_up_to_speech() -> None:
    assert regions_of(track(*[(1.0, 5), (0.0, 15)] * 20)) == ()


def test_a_soft_word_beside_a_clear_one_counts() -> None:
    assert in_frames(regions_of(track((0.0, 50), (0.9, 4), (0.0, 20), (0.9, 40), (0.0, 50)))) == [(50, 54), (74, 114)]


def test_a_pause_separates_and_a_consonant_does_not() -> None:
    assert len(regions_of(track((0.9, 20), (0.0, 9), (0.9, 20)))) == 1
    assert len(regions_of(track((0.9, 20), (0.0, 10), (0.9, 20)))) == 2


def test_neighbours_share_a_short_pause() -> None:
    first, second = regions_of(track((0.0, 50), (0.9, 20), (0.0, 20), (0.9, 20), (0.0, 50)), SETTINGS)
    assert first.start_s == pytest.approx(50 * FRAME_S - SETTINGS.padding_s)
    assert first.end_s == second.start_s == pytest.approx(80 * FRAME_S)
    assert second.end_s == pytest.approx(110 * FRAME_S + SETTINGS.padding_s)


def test_padding_ends_at_the_recording() -> None:
    (region,) = speech_regions(track((0.9, 40)), 1.27, SETTINGS)
    assert region == TimeSpan(0.0, 1.27)


@given(probability_tracks, region_settings, st.floats(0.0, 1.0))
def test_regions_are_sorted_disjoint_and_inside(
    probabilities: Probabilities, settings: RegionSettings, last_frame_share: float
) -> None:
    duration_s = max(len(probabilities) - 1 + last_frame_share, 0.0) * FRAME_S
    regions = speech_regions(probabilities, duration_s, settings)
    assert all(0.0 <= region.start_s <= region.end_s <= duration_s for region in regions)
    assert all(before.end_s <= after.start_s for before, after in pairwise(regions))


@given(probability_tracks, region_settings)
def test_every_region_holds_what_the_bare_one_holds_and_its_padding(
    probabilities: Probabilities, settings: RegionSettings
) -> None:
    bare = regions_of(probabilities, replace(settings, padding_s=0.0))
    padded = regions_of(probabilities, settings)
    end_s = len(probabilities) * FRAME_S
    assert len(bare) == len(padded)
    for at, (inner, outer) in enumerate(zip(bare, padded, strict=True)):
        room_before_s = inner.start_s if at == 0 else (inner.start_s - bare[at - 1].end_s) / 2
        room_after_s = end_s - inner.end_s if at == len(bare) - 1 else (bare[at + 1].start_s - inner.end_s) / 2
        assert inner.start_s - outer.start_s == pytest.approx(min(settings.padding_s, room_before_s), abs=1e-9)
        assert outer.end_s - inner.end_s == pytest.approx(min(settings.padding_s, room_after_s), abs=1e-9)


@given(probability_tracks, region_settings)
def test_long_certain_speech_is_never_lost(probabilities: Probabilities, settings: RegionSettings) -> None:
    regions = regions_of(probabilities, settings)
    needed = int(settings.min_speech_s / FRAME_S) + 1
    certain = probabilities >= settings.enter_probability
    for start in range(len(certain) - needed + 1):
        if not certain[start : start + needed].all():
            continue
        middle_s = (start + needed / 2) * FRAME_S
        assert any(region.start_s <= middle_s <= region.end_s for region in regions)


@pytest.mark.parametrize(
    "wrong",
    [
        {"enter_probability": 0.3},
        {"exit_probability": 0.0},
        {"enter_probability": 1.0},
        {"padding_s": -0.1},
        {"min_speech_s": -1.0},
        {"near_s": 0.1},
    ],
)
def test_settings_that_contradict_themselves_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"need|durations"):
        RegionSettings(**wrong)
