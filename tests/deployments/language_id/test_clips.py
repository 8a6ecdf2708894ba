from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import TimeSpan
from deployments.language_id.clips import ClipSettings, clips_of

pytestmark = pytest.mark.unit

SETTINGS = ClipSettings(shortest_s=2.0, longest_s=30.0, most_clips=3)


def test_a_region_that_the_model_can_hear_at_once_is_heard_as_it_is() -> None:
    assert clips_of(TimeSpan(3.0, 33.0), 60.0, SETTINGS) == [TimeSpan(3.0, 33.0)]


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        (TimeSpan(5.0, 5.5), TimeSpan(4.25, 6.25)),
        (TimeSpan(0.2, 0.7), TimeSpan(0.0, 2.0)),
        (TimeSpan(9.3, 9.8), TimeSpan(8.0, 10.0)),
    ],
)
def test_a_short_region_is_heard_with_what_surrounds_it(region: TimeSpan, expected: TimeSpan) -> None:
    (clip,) = clips_of(region, 10.0, SETTINGS)
    assert (clip.start_s, clip.end_s) == pytest.approx((expected.start_s, expected.end_s))


def test_a_recording_shorter_than_a_clip_is_heard_whole() -> None:
    assert clips_of(TimeSpan(0.1, 0.4), 0.5, SETTINGS) == [TimeSpan(0.0, 0.5)]


def test_of_a_long_region_parts_are_heard_from_its_start_to_its_end() -> None:
    assert clips_of(TimeSpan(10.0, 50.0), 600.0, SETTINGS) == [TimeSpan(10.0, 40.0), TimeSpan(20.0, 50.0)]
    long = clips_of(TimeSpan(0.0, 600.0), 600.0, SETTINGS)
    assert long == [TimeSpan(0.0, 30.0), TimeSpan(285.0, 315.0), TimeSpan(570.0, 600.0)]


@given(
    st.floats(0.0, 7200.0),
    st.floats(0.0, 300.0),
    st.floats(0.0, 20.0),
    st.builds(
        ClipSettings, shortest_s=st.floats(0.0, 5.0), longest_s=st.floats(5.0, 40.0), most_clips=st.integers(1, 5)
    ),
)
def test_clips_lie_in_the_recording_and_are_what_the_model_hears_at_once(
    start_s: float, length_s: float, rest_s: float, settings: ClipSettings
) -> None:
    region, duration_s = TimeSpan(start_s, start_s + length_s), start_s + length_s + rest_s
    clips = clips_of(region, duration_s, settings)
    assert 1 <= len(clips) <= settings.most_clips
    for clip in clips:
        assert -1e-9 <= clip.start_s <= clip.end_s <= duration_s + 1e-6
        assert clip.duration_s <= settings.longest_s + 1e-6
        assert clip.duration_s >= min(settings.shortest_s, length_s, duration_s) - 1e-6
    if length_s <= settings.longest_s:
        assert clips[0].start_s <= region.start_s + 1e-6
        assert clips[-1].end_s >= region.end_s - 1e-6
    else:
        assert clips[0].start_s >= region.start_s - 1e-6
        assert clips[-1].end_s <= region.end_s + 1e-6
