from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deployments.diarization.clustering import NOBODY
from deployments.diarization.reconstruction import (
    count_speakers,
    frame_time_s,
    speaker_activity,
    speaker_turns,
)
from deployments.diarization.segmentation import (
    FRAME_STEP_SAMPLES,
    FRAMES_PER_WINDOW,
    WINDOW_SAMPLES,
    LocalActivity,
    window_first_frames,
)

pytestmark = pytest.mark.unit

STEP_FRAMES = 100


def windows_of(speaking: npt.NDArray[np.bool_], seed: int = 0) -> tuple[LocalActivity, npt.NDArray[np.int64]]:
    """What perfect windows would say of [frames, 3 or fewer speakers], local speakers in random order."""
    rng = np.random.default_rng(seed)
    first_frames = np.arange(0, len(speaking) - FRAMES_PER_WINDOW + 1, STEP_FRAMES)
    labels = np.stack([rng.permutation(3) for _ in first_frames])
    labels[labels >= speaking.shape[1]] = NOBODY
    active = np.zeros((len(first_frames), FRAMES_PER_WINDOW, 3), dtype=np.bool_)
    for window, first_frame in enumerate(first_frames):
        for local, speaker in enumerate(labels[window]):
            if speaker != NOBODY:
                active[window, :, local] = speaking[first_frame : first_frame + FRAMES_PER_WINDOW, speaker]
    return LocalActivity(first_frames, active), labels


def two_speakers_who_overlap() -> npt.NDArray[np.bool_]:
    speaking = np.zeros((FRAMES_PER_WINDOW + 5 * STEP_FRAMES, 2), dtype=np.bool_)
    speaking[50:600, 0] = True
    speaking[500:900, 1] = True
    return speaking


def test_perfect_windows_give_back_who_spoke() -> None:
    speaking = two_speakers_who_overlap()
    activity, labels = windows_of(speaking)
    assert np.array_equal(speaker_activity(activity, labels), speaking)
    assert np.array_equal(count_speakers(activity), speaking.sum(axis=1))


def test_turns_of_different_speakers_overlap() -> None:
    first, second = speaker_turns(two_speakers_who_overlap(), 60.0, 0.0)
    assert (first.speaker, second.speaker) == ("SPEAKER_00", "SPEAKER_01")
    assert first.start_s < second.start_s < first.end_s < second.end_s


def test_a_minority_of_windows_is_outvoted() -> None:
    speaking = two_speakers_who_overlap()
    activity, labels = windows_of(speaking)
    activity.active[2] = False
    middle = slice(int(activity.first_frames[4]), int(activity.first_frames[1]) + FRAMES_PER_WINDOW)
    assert np.array_equal(speaker_activity(activity, labels)[middle], speaking[middle])


def test_nobody_is_named_where_nobody_is_known() -> None:
    activity, labels = windows_of(two_speakers_who_overlap())
    assert speaker_activity(activity, np.full_like(labels, NOBODY)).shape[1] == 0


@given(hnp.arrays(np.bool_, st.tuples(st.integers(0, 80), st.integers(0, 3))), st.sampled_from([0.0, 0.1]))
def test_turns_are_sorted_inside_the_recording_and_disjoint_for_a_speaker(
    speaking: npt.NDArray[np.bool_], min_pause_s: float
) -> None:
    duration_s = 1.0
    turns = speaker_turns(speaking, duration_s, min_pause_s)
    assert [turn.start_s for turn in turns] == sorted(turn.start_s for turn in turns)
    assert all(0 <= turn.start_s < turn.end_s <= duration_s for turn in turns)
    names = list(dict.fromkeys(turn.speaker for turn in turns))
    assert names == [f"SPEAKER_{index:02d}" for index in range(len(names))]
    for name in names:
        own = [turn for turn in turns if turn.speaker == name]
        assert all(later.start_s - earlier.end_s >= max(min_pause_s, 1e-9) for earlier, later in pairwise(own))


@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 80), st.integers(1, 3))))
def test_without_a_shortest_pause_turns_say_what_the_frames_say(speaking: npt.NDArray[np.bool_]) -> None:
    turns = speaker_turns(speaking, 1e9, 0.0)
    spoken_s = sum(turn.end_s - turn.start_s for turn in turns)
    assert spoken_s == pytest.approx(speaking.sum() * (frame_time_s(np.array([1])) - frame_time_s(np.array([0])))[0])


@given(st.integers(1, 3_000_000), st.integers(1, 600))
def test_windows_cover_the_recording(sample_count: int, step_frames: int) -> None:
    starts = window_first_frames(sample_count, step_frames) * FRAME_STEP_SAMPLES
    assert starts[0] == 0
    assert starts[-1] + WINDOW_SAMPLES >= sample_count
    assert starts[-1] + WINDOW_SAMPLES - sample_count < FRAME_STEP_SAMPLES or len(starts) == 1
    assert (np.diff(starts) > 0).all()
    assert (np.diff(starts) <= step_frames * FRAME_STEP_SAMPLES).all()
