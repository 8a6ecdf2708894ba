from __future__ import annotations

import numpy as np
import pytest

from deployments.contracts import Samples
from deployments.errors import Cancelled
from deployments.speech_gate.silero import FRAME_S, SileroVad
from tests.fakes.recordings import recording

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return SileroVad()


@pytest.fixture(scope="module")
def speech() -> Samples:
    return recording("two_cities")[: 20 * 16_000]


def beep() -> Samples:
    """0.2 s at -13 dBFS and a second of silence."""
    tone = 0.3 * np.sin(np.arange(3200) * (2 * np.pi / 16))
    return np.pad(tone, (0, 16_000)).astype(np.float32)


def test_a_reader_is_heard_and_the_silence_around_is_not(vad: SileroVad, speech: Samples) -> None:
    silence = np.zeros(5 * 16_000, np.float32)
    probabilities = vad.speech_probabilities(np.concatenate((silence, speech, silence)))
    inside = probabilities[round(5.5 / FRAME_S) : round(24.5 / FRAME_S)]
    outside = np.concatenate((probabilities[: round(4.9 / FRAME_S)], probabilities[round(25.5 / FRAME_S) :]))
    assert np.mean(inside > 0.5) > 0.6
    assert np.all(outside < 0.35)


def test_a_beep_does_not_cost_the_quiet_speech_behind_it(vad: SileroVad, speech: Samples) -> None:
    quiet = speech * np.float32(0.001)
    alone = vad.speech_probabilities(quiet) > 0.5
    behind = vad.speech_probabilities(np.concatenate((beep(), quiet)))[-len(alone) :] > 0.5
    assert behind.sum() > 0.95 * alone.sum() > 200


def test_clicks_do_not_cost_the_quiet_speech_between_them(vad: SileroVad, speech: Samples) -> None:
    quiet = speech * np.float32(0.001)
    alone = vad.speech_probabilities(quiet) > 0.5
    clicking = quiet.copy()
    clicking[:: 3 * 16_000] = 0.9
    assert (vad.speech_probabilities(clicking) > 0.5).sum() > 0.9 * alone.sum() > 200


def test_who_speaks_quietly_behind_a_loud_voice_is_heard(vad: SileroVad, speech: Samples) -> None:
    silence = np.zeros(16_000, np.float32)
    alone = vad.speech_probabilities(speech) > 0.5
    both = vad.speech_probabilities(np.concatenate((speech, silence, speech * np.float32(0.001)))) > 0.5
    assert both[-len(alone) :].sum() > 0.85 * alone.sum()


def test_what_is_in_a_short_pause_between_loud_words_is_not_brought_up(vad: SileroVad, speech: Samples) -> None:
    murmur = speech[: 4 * 16_000] * np.float32(0.001)
    probabilities = vad.speech_probabilities(np.concatenate((speech, murmur, speech)))
    assert np.all(probabilities[round(20.5 / FRAME_S) : round(23.5 / FRAME_S)] < 0.35)


@pytest.mark.parametrize("block_frames", [1, 7, 100])
def test_the_length_of_blocks_does_not_change_the_result(vad: SileroVad, speech: Samples, block_frames: int) -> None:
    short = np.concatenate((beep(), speech[: 6 * 16_000 + 123] * np.float32(0.001)))
    in_blocks = SileroVad(block_frames=block_frames).speech_probabilities(short)
    np.testing.assert_allclose(in_blocks, vad.speech_probabilities(short), atol=1e-5)


def test_one_call_leaves_no_trace_in_the_next(vad: SileroVad, speech: Samples) -> None:
    before = vad.speech_probabilities(speech)
    vad.speech_probabilities(np.ones(16_000, np.float32))
    np.testing.assert_array_equal(vad.speech_probabilities(speech), before)


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 1), (10, 1), (512, 1), (513, 2), (262_145, 513)])
def test_every_sample_lies_in_a_frame(vad: SileroVad, samples: int, frames: int) -> None:
    probabilities = vad.speech_probabilities(np.zeros(samples, np.float32))
    assert probabilities.shape == (frames,)
    assert probabilities.dtype == np.float32
    assert np.all((probabilities >= 0) & (probabilities < 0.35))


def test_read_only_audio_is_taken_as_it_is(vad: SileroVad, speech: Samples) -> None:
    shared = speech.copy()
    shared.flags.writeable = False
    np.testing.assert_array_equal(vad.speech_probabilities(shared), vad.speech_probabilities(speech))


def test_a_cancelled_call_stops_at_the_next_block(vad: SileroVad) -> None:
    asked = 0

    def stop_at_third() -> bool:
        nonlocal asked
        asked += 1
        return asked == 3

    with pytest.raises(Cancelled):
        vad.speech_probabilities(np.zeros(600 * 16_000, np.float32), stop_at_third)
    assert asked == 3
