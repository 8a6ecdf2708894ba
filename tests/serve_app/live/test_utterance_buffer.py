from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.speech_gate.silero import SileroVad
from serve_app.live.utterance_buffer import UtteranceBuffer
from serve_app.live.voice_activity import WINDOW_SAMPLES, StreamingVad
from tests.fakes.recordings import recording

pytestmark = pytest.mark.unit


@given(lengths=st.lists(st.integers(0, 2500), max_size=40), kept_windows=st.integers(1, 4))
def test_the_newest_audio_is_always_there(lengths: list[int], kept_windows: int) -> None:
    kept = kept_windows * WINDOW_SAMPLES
    buffer = UtteranceBuffer(kept / 16_000)
    stream = np.arange(sum(lengths), dtype=np.float32)
    at = 0
    for length in lengths:
        buffer.append(stream[at : at + length])
        at += length
        assert buffer.end == at
        assert buffer.oldest == max(at - kept, 0)
        np.testing.assert_array_equal(buffer.between(buffer.oldest, at), stream[buffer.oldest : at])


def test_what_is_not_there_is_not_made_up() -> None:
    buffer = UtteranceBuffer(WINDOW_SAMPLES / 16_000)
    buffer.append(np.ones(600, np.float32))
    for start, end in [(0, 600), (87, 600), (100, 601), (500, 400)]:
        with pytest.raises(ValueError, match="are not among 88 to 600"):
            buffer.between(start, end)


def test_a_stretch_is_a_copy() -> None:
    buffer = UtteranceBuffer(0.1)
    buffer.append(np.ones(1000, np.float32))
    taken = buffer.between(0, 1000)
    taken[:] = 5
    assert np.all(buffer.between(0, 1000) == 1)


@given(counts=st.lists(st.integers(0, 20), max_size=20), start=st.integers(0, 9000), length=st.integers(0, 9000))
def test_probabilities_belong_to_their_windows(counts: list[int], start: int, length: int) -> None:
    buffer = UtteranceBuffer(10 * WINDOW_SAMPLES / 16_000)
    windows = np.arange(sum(counts), dtype=np.float32)
    at = 0
    for count in counts:
        buffer.append_probabilities(windows[at : at + count])
        at += count
    middles = (windows + 0.5) * WINDOW_SAMPLES
    expected = windows[-10:][(start < middles[-10:]) & (middles[-10:] < start + length)]
    inside = buffer.probabilities(start, start + length)
    assert set(expected) <= set(inside)
    assert len(inside) <= len(expected) + 1


@pytest.mark.engine
@pytest.mark.parametrize("noise_db", [10.0, 20.0])
def test_the_ratio_of_the_newest_audio_is_told(noise_db: float) -> None:
    buffer = UtteranceBuffer(12.0)
    assert buffer.snr_db(0) is None
    clean = recording("two_cities")[: 16 * 16_000]
    vad = StreamingVad(SileroVad())
    active = clean[vad.advance(clean).probabilities.repeat(WINDOW_SAMPLES)[: len(clean)].nonzero()]
    scale = np.sqrt(np.mean(active**2)) / 10 ** (noise_db / 20)
    noisy = clean + np.random.default_rng(1).normal(scale=scale, size=len(clean)).astype(np.float32)
    vad = StreamingVad(SileroVad())
    for start in range(0, len(noisy), 1600):
        buffer.append(noisy[start : start + 1600])
        buffer.append_probabilities(vad.advance(noisy[start : start + 1600]).probabilities)
    snr_db = buffer.snr_db(buffer.end)
    assert snr_db is not None
    assert abs(snr_db - noise_db) < 5
