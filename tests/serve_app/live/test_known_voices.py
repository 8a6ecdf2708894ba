"""Speakers by the real networks: voices of utterances into a session's register."""

from __future__ import annotations

import pytest

from deployments.contracts import SAMPLE_RATE_HZ, Samples, SpeakerCount
from deployments.diarization.onnx_trunk import load_onnx_diarizer
from deployments.diarization.shared_trunk import SharedTrunkDiarizer
from serve_app.live.speakers import SpeakerRegister
from tests.fakes.recordings import recording

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def engine() -> SharedTrunkDiarizer:
    return load_onnx_diarizer()


def cut(name: str, start_s: float, end_s: float) -> Samples:
    return recording(name)[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]


def test_two_voices_get_two_labels_and_the_first_one_has_its_own_again_later(engine: SharedTrunkDiarizer) -> None:
    register = SpeakerRegister(SpeakerCount())
    utterances = [
        cut("two_cities", 1.0, 5.0),
        cut("endgame_nagg_nell", 0.0, 3.0),
        cut("two_cities", 10.0, 15.0),
        cut("two_cities", 20.0, 23.0),
        cut("endgame_nagg_nell", 0.5, 3.0),
    ]
    told = [register.assign(engine.voiceprint(utterance)) for utterance in utterances]
    assert told == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_00", "SPEAKER_00", "SPEAKER_01"]


def test_the_reader_of_another_recording_is_known_again(engine: SharedTrunkDiarizer) -> None:
    register = SpeakerRegister(SpeakerCount())
    told = [register.assign(engine.voiceprint(heard)) for heard in (cut("two_cities", 1, 8), cut("beckett", 0, 6))]
    assert told == ["SPEAKER_00", "SPEAKER_00"]
