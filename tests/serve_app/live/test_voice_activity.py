from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.contracts import Samples
from deployments.speech_gate.silero import SileroVad
from serve_app.live.voice_activity import WINDOW_SAMPLES, StreamingVad
from tests.examples import examples
from tests.fakes.recordings import recording

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def network() -> SileroVad:
    return SileroVad()


@pytest.fixture(scope="module")
def speech() -> Samples:
    """Twelve seconds of a reader, from the middle of a loud word."""
    clip = recording("two_cities")
    loudest = int(np.abs(clip[: 20 * 16_000]).argmax())
    return clip[loudest - 200 :][: 12 * 16_000 + 77]


def streamed(vad: StreamingVad, pieces: Sequence[Samples]) -> tuple[Samples, Samples]:
    activities = [*(vad.advance(piece) for piece in pieces), vad.flush()]
    return (
        np.concatenate([activity.probabilities for activity in activities]),
        np.concatenate([activity.levels_dbfs for activity in activities]),
    )


def in_pieces(samples: Samples, length: int) -> list[Samples]:
    return [samples[start : start + length] for start in range(0, len(samples), length)]


@pytest.mark.parametrize("piece_samples", [160, 512, 1600, 4097, 1 << 20])
def test_a_stream_is_heard_like_the_recording(network: SileroVad, speech: Samples, piece_samples: int) -> None:
    probabilities, levels_dbfs = streamed(StreamingVad(network), in_pieces(speech, piece_samples))
    np.testing.assert_allclose(probabilities, network.speech_probabilities(speech), atol=1e-5)
    assert len(levels_dbfs) == len(probabilities)


@given(cuts=st.lists(st.integers(0, 3 * 16_000), max_size=12))
@settings(max_examples=examples(30))
def test_where_a_stream_is_cut_does_not_matter(network: SileroVad, speech: Samples, cuts: list[int]) -> None:
    clip = speech[: 3 * 16_000]
    whole, whole_levels = streamed(StreamingVad(network), [clip])
    probabilities, levels_dbfs = streamed(StreamingVad(network), np.split(clip, sorted(cuts)))
    np.testing.assert_allclose(probabilities, whole, atol=1e-5)
    np.testing.assert_array_equal(levels_dbfs, whole_levels)


def test_streams_of_one_network_do_not_hear_each_other(network: SileroVad, speech: Samples) -> None:
    alone, _ = streamed(StreamingVad(network), in_pieces(speech, 1600))
    one, other = StreamingVad(network), StreamingVad(network)
    noise = np.random.default_rng(0).normal(scale=0.3, size=1600).astype(np.float32)
    heard = []
    for piece in in_pieces(speech, 1600):
        heard.append(one.advance(piece).probabilities)
        other.advance(noise)
    np.testing.assert_array_equal(np.concatenate([*heard, one.flush().probabilities]), alone)


def test_silence_before_speech_and_quiet_speech_are_told_apart(network: SileroVad, speech: Samples) -> None:
    silence = np.zeros(2 * 16_000, np.float32)
    quiet = speech * np.float32(0.003)
    probabilities, levels_dbfs = streamed(StreamingVad(network), [silence, quiet])
    still = len(silence) // WINDOW_SAMPLES
    assert np.all(probabilities[:still] < 0.35)
    assert np.all(levels_dbfs[:still] == -120)
    assert np.mean(probabilities[still:] > 0.5) > 0.6


def test_a_bang_costs_a_stream_no_more_than_seconds_of_quiet_speech(network: SileroVad, speech: Samples) -> None:
    bang = np.pad(np.random.default_rng(0).normal(scale=0.3, size=3200), (0, 16_000)).astype(np.float32)
    quiet = speech * np.float32(0.001)
    after = round(5 * 16_000 / WINDOW_SAMPLES)
    alone = streamed(StreamingVad(network), [quiet])[0][after:] > 0.5
    behind = streamed(StreamingVad(network), [bang, quiet])[0][-len(alone) :] > 0.5
    assert behind.sum() > 0.95 * alone.sum() > 100


def test_clicks_do_not_cost_a_stream_the_quiet_speech_between_them(network: SileroVad, speech: Samples) -> None:
    quiet = speech * np.float32(0.001)
    alone = streamed(StreamingVad(network), [quiet])[0] > 0.5
    clicking = quiet.copy()
    clicking[:: 3 * 16_000] = 0.9
    assert (streamed(StreamingVad(network), in_pieces(clicking, 1600))[0] > 0.5).sum() > 0.9 * alone.sum() > 100


def test_levels_leave_a_constant_offset_out(network: SileroVad) -> None:
    tone = np.sin(np.arange(WINDOW_SAMPLES) * (2 * np.pi / 64)).astype(np.float32)
    (level_dbfs,) = StreamingVad(network).advance(tone / 4 + np.float32(0.5)).levels_dbfs
    assert level_dbfs == pytest.approx(10 * np.log10(0.5 / 16), abs=0.01)
    assert len(StreamingVad(network).flush()) == 0
