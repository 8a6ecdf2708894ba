from __future__ import annotations

import numpy as np
import pytest

from deployments.contracts import SAMPLE_RATE_HZ, TimeSpan
from load_tests.live_speech import SpokenClip, clips_of, live_speech, to_pcm
from load_tests.recordings import wheel_recordings

pytestmark = pytest.mark.unit


def _clip(text: str | None, duration_s: float = 2.0) -> SpokenClip:
    """Loud from a quarter to three quarters."""
    samples = np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)
    samples[len(samples) // 4 : len(samples) * 3 // 4] = 0.5
    return SpokenClip(samples, TimeSpan(duration_s / 4, duration_s * 3 / 4), text)


def test_the_true_ends_are_where_the_speech_ends() -> None:
    made = live_speech([_clip("red"), _clip("river", 3.0)], 30.0, seed=1)
    samples = np.abs(np.frombuffer(made.pcm, "<i2")) > 1000
    edges = np.flatnonzero(np.diff(samples.astype(np.int8))) / SAMPLE_RATE_HZ
    assert len(made.utterances) >= 5
    for utterance, (start_s, end_s) in zip(made.utterances, edges.reshape(-1, 2), strict=True):
        assert utterance.speech.start_s == pytest.approx(start_s, abs=0.001)
        assert utterance.speech.end_s == pytest.approx(end_s, abs=0.001)


def test_pauses_are_longer_than_a_second_and_so_is_the_last_one() -> None:
    made = live_speech([_clip("red")], 20.0, seed=0)
    ends_s = [0.0, *(utterance.speech.end_s for utterance in made.utterances)]
    starts_s = [*(utterance.speech.start_s for utterance in made.utterances), made.duration_s]
    assert all(start_s - end_s >= 1.0 for end_s, start_s in zip(ends_s[1:], starts_s[1:], strict=True))
    assert made.duration_s == 20.0


def test_a_seed_is_a_stream() -> None:
    clips = [_clip(word) for word in ("red", "river", "stone", "cloud")]
    assert live_speech(clips, 30.0, 3) == live_speech(clips, 30.0, 3)
    assert live_speech(clips, 30.0, 3).pcm != live_speech(clips, 30.0, 4).pcm


def test_unknown_words_make_the_text_unknown() -> None:
    assert live_speech([_clip("red")], 7.0, 0).text == "red"
    assert live_speech([_clip(None)], 7.0, 0).text is None


def test_a_stream_that_holds_no_clip_is_none() -> None:
    for clips in ([], [_clip("red", 60.0)]):
        with pytest.raises(ValueError, match="a clip that fits"):
            live_speech(clips, 10.0, 0)


def test_loud_samples_are_clipped_not_wrapped() -> None:
    assert np.frombuffer(to_pcm(np.array([2.0, -2.0, 0.5], np.float32)), "<i2").tolist() == [32767, -32767, 16383]


def test_recordings_of_the_wheel_are_cut_at_pauses() -> None:
    recordings = wheel_recordings()
    clips = clips_of(recordings)
    assert len(clips) > len(recordings)
    for clip in clips:
        assert 0.0 <= clip.speech.start_s < clip.speech.end_s <= len(clip.samples) / SAMPLE_RATE_HZ
    spoken_s = sum(clip.speech.duration_s for clip in clips)
    assert 0.5 < spoken_s / sum(recording.duration_s for recording in recordings) <= 1.0
