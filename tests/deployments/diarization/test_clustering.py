from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import SpeakerCount
from deployments.diarization.clustering import (
    NOBODY,
    ClusteringSettings,
    agglomerate,
    assign_speakers,
    find_speakers,
    merge_same_voices,
    project,
    vbx,
)
from deployments.diarization.community1 import PldaWeights

pytestmark = pytest.mark.unit

SETTINGS = ClusteringSettings()
SIZE = 16
BETWEEN_VARIANCE = 40.0


def plain_plda() -> PldaWeights:
    """Voices on the sphere are features as they are: identity transforms, speakers far apart."""
    return PldaWeights(
        xvector_mean=np.zeros(SIZE),
        lda=np.eye(SIZE),
        lda_mean=np.zeros(SIZE),
        plda_mean=np.zeros(SIZE),
        transform=4.0 * np.eye(SIZE),
        between_variance=np.full(SIZE, BETWEEN_VARIANCE),
    )


def gaussian_voices(
    speakers: int, voices_each: int, seed: int = 0, spread: float = 0.08
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Voices [speakers * voices_each, SIZE] around orthogonal speakers, shuffled, with who they are."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(speakers), voices_each))
    voices = np.eye(SIZE)[truth] + spread * rng.standard_normal((len(truth), SIZE))
    return voices.astype(np.float32), truth


def labels_of(
    voices: npt.NDArray[np.float32], bounds: SpeakerCount, settings: ClusteringSettings = SETTINGS
) -> npt.NDArray[np.int64]:
    """One voice a window, all of it clean."""
    windows = voices[:, np.newaxis]
    clean_share = np.ones(windows.shape[:2])
    return assign_speakers(windows, clean_share, plain_plda(), bounds, settings)[:, 0]


def same_partition(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> bool:
    return bool(np.array_equal(np.equal.outer(first, first), np.equal.outer(second, second)))


@given(st.integers(1, 5), st.integers(0, 20))
def test_well_apart_speakers_are_found_and_counted(speakers: int, seed: int) -> None:
    voices, truth = gaussian_voices(speakers, 20, seed)
    assert same_partition(labels_of(voices, SpeakerCount()), truth)


@given(st.integers(1, 6))
def test_an_exact_count_is_honoured(exact: int) -> None:
    voices, _ = gaussian_voices(3, 20)
    assert len(np.unique(labels_of(voices, SpeakerCount(exact=exact)))) == exact


def test_bounds_move_the_count_no_further_than_they_must() -> None:
    voices, truth = gaussian_voices(3, 20)
    assert len(np.unique(labels_of(voices, SpeakerCount(minimum=5)))) == 5
    assert len(np.unique(labels_of(voices, SpeakerCount(maximum=2)))) == 2
    assert same_partition(labels_of(voices, SpeakerCount(minimum=2, maximum=4)), truth)


def long_meeting(voices_each: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Two people who turn away from the microphone half of the time, and one who says three sentences in all."""
    rng = np.random.default_rng(1)
    eye = np.eye(SIZE)
    sounds = np.stack([eye[0] + 0.35 * eye[4], eye[0] - 0.35 * eye[4], eye[1] + 0.35 * eye[5], eye[1] - 0.35 * eye[5]])
    sounds = np.vstack([np.repeat(sounds, voices_each // 2, axis=0), np.repeat(eye[2:3], 3, axis=0)])
    truth = np.concatenate([np.repeat([0, 1], voices_each // 2 * 2), [2, 2, 2]])
    order = rng.permutation(len(sounds))
    voices = sounds + 0.05 * rng.standard_normal(sounds.shape)
    return voices[order].astype(np.float32), truth[order]


@pytest.mark.parametrize("voices_each", [20, 200, 2000])
def test_variations_of_a_voice_are_one_speaker_and_who_says_little_is_another(voices_each: int) -> None:
    voices, truth = long_meeting(voices_each)
    assert same_partition(labels_of(voices, SpeakerCount()), truth)


def test_the_most_similar_clusters_are_merged_first_and_no_further_than_asked() -> None:
    eye = np.eye(SIZE)
    voices = np.stack([eye[0], eye[0] + 0.5 * eye[1], eye[0] + 0.6 * eye[1], eye[2]])
    mean = (voices[1] + voices[2]) / 2
    merged = merge_same_voices(voices, np.eye(4), same_voice_cosine=0.6, fewest=3)
    np.testing.assert_allclose(merged, [voices[0], mean, voices[3]])
    merged = merge_same_voices(voices, np.eye(4), same_voice_cosine=0.6, fewest=1)
    np.testing.assert_allclose(merged, [voices[:3].mean(axis=0), voices[3]])


def test_no_more_speakers_than_voices() -> None:
    voices, _ = gaussian_voices(2, 1)
    assert len(np.unique(labels_of(voices, SpeakerCount(exact=7)))) == 2


def test_a_recording_that_repeats_itself_has_no_more_speakers_than_voices() -> None:
    voices = np.repeat(np.eye(SIZE)[:2], 6, axis=0)
    assert find_speakers(voices, plain_plda(), SpeakerCount(exact=3), SETTINGS).shape == (2, SIZE)


def test_local_speakers_of_a_window_are_different_speakers() -> None:
    speaker = np.eye(SIZE, dtype=np.float32)
    alone, together = speaker[[0, 0]], speaker[[0, 1]]
    # In the last window both sound most like speaker 0; the constraint sends the less similar one to 1.
    torn = np.stack([speaker[0], 0.9 * speaker[0] + 0.8 * speaker[1]])
    windows = np.stack([alone, *([together] * 20), torn])
    windows[0, 1] = np.nan
    labels = assign_speakers(windows, np.ones(windows.shape[:2]), plain_plda(), SpeakerCount(), SETTINGS)
    assert labels[0].tolist() == [labels[1, 0], NOBODY]
    assert labels[-1].tolist() == labels[1].tolist()
    assert labels[1, 0] != labels[1, 1]


def test_a_voice_too_many_joins_the_most_similar_speaker() -> None:
    voices, _ = gaussian_voices(1, 20)
    windows = np.stack([voices[:10], voices[10:]], axis=1)
    labels = assign_speakers(windows, np.ones((10, 2)), plain_plda(), SpeakerCount(exact=1), SETTINGS)
    assert (labels == 0).all()


def test_silence_has_no_speakers() -> None:
    windows = np.full((4, 3, SIZE), np.nan, dtype=np.float32)
    labels = assign_speakers(windows, np.zeros((4, 3)), plain_plda(), SpeakerCount(exact=2), SETTINGS)
    assert (labels == NOBODY).all()


def test_voices_with_little_clean_speech_have_no_say_but_get_a_speaker() -> None:
    voices, truth = gaussian_voices(2, 20)
    strange = np.full((1, SIZE), 0.25, dtype=np.float32)
    strange[0, 0] = 0.5
    windows = np.concatenate([voices, strange])[:, np.newaxis]
    clean_share = np.append(np.ones(len(voices)), 0.01)[:, np.newaxis]
    labels = assign_speakers(windows, clean_share, plain_plda(), SpeakerCount(), SETTINGS)[:, 0]
    assert len(np.unique(labels)) == 2
    assert labels[-1] == labels[np.flatnonzero(truth == 0)[0]]


def test_thinned_ahc_gives_the_same_clusters() -> None:
    voices, truth = gaussian_voices(4, 50)
    unit = voices / np.linalg.norm(voices, axis=1, keepdims=True)
    assert same_partition(agglomerate(unit.astype(np.float64), 0.6, max_voices=40), truth)


def test_vbx_merges_what_ahc_split() -> None:
    voices, truth = gaussian_voices(2, 40)
    features = project(voices.astype(np.float64), plain_plda())
    split = truth * 2 + np.arange(len(truth)) % 2
    shares, priors = vbx(features, np.full(SIZE, BETWEEN_VARIANCE), split, SETTINGS)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (priors > 1e-3).sum() == 2
    assert same_partition(shares.argmax(axis=1), truth)
