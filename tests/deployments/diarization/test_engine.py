"""The real models on the speech inside the moonshine-voice wheel."""

from __future__ import annotations

import importlib.util
import wave
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from deployments.contracts import SAMPLE_RATE_HZ, Samples, SpeakerCount, SpeakerTurn
from deployments.diarization.community1 import Community1, load_community1
from deployments.diarization.embedding import TrunkPieces
from deployments.diarization.onnx_trunk import OnnxSegmenter, OnnxTrunkEmbedder, compute_fbank, load_onnx_diarizer
from deployments.diarization.segmentation import (
    FRAME_STEP_SAMPLES,
    FRAMES_PER_WINDOW,
    WINDOW_SAMPLES,
)
from deployments.diarization.shared_trunk import SharedTrunkDiarizer
from deployments.errors import Cancelled, EngineUnavailable
from deployments.onnx_runtime import open_session
from deployments.stopping import never

pytestmark = pytest.mark.engine


@cache
def read_speech(name: str) -> Samples:
    """A recording of the wheel at 16 kHz, [n]."""
    spec = importlib.util.find_spec("moonshine_voice")
    assert spec is not None
    assert spec.submodule_search_locations
    with wave.open(str(Path(spec.submodule_search_locations[0]) / "assets" / name)) as file:
        rate_hz, channels = file.getframerate(), file.getnchannels()
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, channels)
    mono = pcm.mean(axis=1) / 32768
    times_s = np.arange(0, len(mono) / rate_hz, 1 / SAMPLE_RATE_HZ)
    return np.asarray(np.interp(times_s, np.arange(len(mono)) / rate_hz, mono), dtype=np.float32)


@pytest.fixture(scope="module")
def models() -> Community1:
    return load_community1()


@pytest.fixture(scope="module")
def diarizer(models: Community1) -> SharedTrunkDiarizer:
    return load_onnx_diarizer(models=models)


@pytest.fixture(scope="module")
def reader_then_dialogue() -> Samples:
    """Ten seconds of a reader, then twelve of two actors; the first of them talks for three seconds alone."""
    return np.concatenate(
        [
            read_speech("two_cities.wav")[: 10 * SAMPLE_RATE_HZ],
            read_speech("endgame_nagg_nell.wav")[: 12 * SAMPLE_RATE_HZ],
        ]
    )


def names(turns: tuple[SpeakerTurn, ...]) -> set[str]:
    return {turn.speaker for turn in turns}


def test_a_reader_and_a_dialogue_are_three_speakers_who_change_where_the_recording_does(
    diarizer: SharedTrunkDiarizer, reader_then_dialogue: Samples
) -> None:
    turns = diarizer.diarize(reader_then_dialogue, SpeakerCount())
    assert names(turns) == {"SPEAKER_00", "SPEAKER_01", "SPEAKER_02"}
    last_of_reader_s = max(turn.end_s for turn in turns if turn.speaker == "SPEAKER_00")
    first_of_actors_s = min(turn.start_s for turn in turns if turn.speaker != "SPEAKER_00")
    assert last_of_reader_s == pytest.approx(10, abs=0.7)
    assert first_of_actors_s == pytest.approx(10, abs=0.7)
    assert turns[-1].end_s <= len(reader_then_dialogue) / SAMPLE_RATE_HZ


def test_two_recordings_of_one_reader_are_one_speaker(diarizer: SharedTrunkDiarizer) -> None:
    joined = np.concatenate([read_speech("two_cities.wav")[: 10 * SAMPLE_RATE_HZ], read_speech("beckett.wav")])
    turns = diarizer.diarize(joined, SpeakerCount())
    assert names(turns) == {"SPEAKER_00"}
    assert sum(turn.end_s - turn.start_s for turn in turns) > 12


@pytest.mark.parametrize(
    ("bounds", "speakers"),
    [
        (SpeakerCount(exact=1), 1),
        (SpeakerCount(maximum=1), 1),
        (SpeakerCount(exact=2), 2),
        (SpeakerCount(maximum=2), 2),
        (SpeakerCount(minimum=2, maximum=5), 3),
        (SpeakerCount(exact=4), 4),
    ],
)
def test_bounds_are_honoured(
    diarizer: SharedTrunkDiarizer, reader_then_dialogue: Samples, bounds: SpeakerCount, speakers: int
) -> None:
    assert len(names(diarizer.diarize(reader_then_dialogue, bounds))) == speakers


def test_more_speakers_than_voices_gives_what_there_is(diarizer: SharedTrunkDiarizer) -> None:
    turns = diarizer.diarize(read_speech("beckett.wav")[: 3 * SAMPLE_RATE_HZ], SpeakerCount(exact=9))
    assert 1 <= len(names(turns)) < 9


@pytest.mark.parametrize("sample_count", [0, 1, 300, 8_000, 12 * SAMPLE_RATE_HZ])
def test_silence_has_no_turns(diarizer: SharedTrunkDiarizer, sample_count: int) -> None:
    assert diarizer.diarize(np.zeros(sample_count, dtype=np.float32), SpeakerCount()) == ()


@pytest.mark.parametrize("duration_s", [0.02, 0.5, 2.0, 10.01])
def test_short_speech_ends_with_the_recording(diarizer: SharedTrunkDiarizer, duration_s: float) -> None:
    samples = read_speech("two_cities.wav")[SAMPLE_RATE_HZ:][: int(duration_s * SAMPLE_RATE_HZ)]
    turns = diarizer.diarize(samples, SpeakerCount())
    assert all(turn.end_s <= duration_s for turn in turns)
    assert len(names(turns)) <= 1
    assert bool(turns) or duration_s < 2


def test_read_only_samples_are_enough(diarizer: SharedTrunkDiarizer, reader_then_dialogue: Samples) -> None:
    writable = reader_then_dialogue[: 4 * SAMPLE_RATE_HZ].copy()
    frozen = writable.copy()
    frozen.flags.writeable = False
    assert diarizer.diarize(frozen, SpeakerCount()) == diarizer.diarize(writable, SpeakerCount())


@pytest.mark.parametrize("calls_before_stop", [0, 1, 4])
def test_it_stops_between_model_calls(
    diarizer: SharedTrunkDiarizer, reader_then_dialogue: Samples, calls_before_stop: int
) -> None:
    answers = iter([False] * calls_before_stop + [True])
    with pytest.raises(Cancelled):
        diarizer.diarize(reader_then_dialogue, SpeakerCount(), lambda: next(answers))


@pytest.mark.parametrize("package", ["no_such_package", "numpy"])
def test_missing_weights_are_named(package: str) -> None:
    with pytest.raises(EngineUnavailable, match=r"moonshine-voice|numpy"):
        load_community1(package)


def test_shared_trunk_embeds_like_the_whole_model(models: Community1) -> None:
    dialogue = read_speech("endgame_nagg_nell.wav")[: 22 * SAMPLE_RATE_HZ]
    activity = OnnxSegmenter(models.segmentation, threads=1).segment(dialogue, 178, never)
    shared = OnnxTrunkEmbedder(models, TrunkPieces(), threads=1).embed(dialogue, activity, never)
    whole_model = open_session(models.embedding, threads=1)
    similarities = []
    for window in (0, len(activity.active) // 2):
        begin = int(activity.first_frames[window]) * FRAME_STEP_SAMPLES
        fbank = compute_fbank(dialogue[begin : begin + WINDOW_SAMPLES])
        frames = np.arange(len(fbank)) * FRAMES_PER_WINDOW // len(fbank)
        for local in np.flatnonzero(activity.alone[window].mean(axis=0) > 0.1):
            weights = activity.alone[window, frames, local].astype(np.float32)
            inputs = {"fbank": fbank[np.newaxis], "weights": weights[np.newaxis]}
            whole, pooled = whole_model.run(None, inputs)[0][0], shared[window, local]
            similarities.append(whole @ pooled / np.linalg.norm(whole) / np.linalg.norm(pooled))
    assert len(similarities) >= 2
    assert min(similarities) > 0.9


def test_voices_are_closer_within_a_reader_than_between(models: Community1, reader_then_dialogue: Samples) -> None:
    activity = OnnxSegmenter(models.segmentation, threads=1).segment(reader_then_dialogue, 178, never)
    voices = OnnxTrunkEmbedder(models, TrunkPieces(), threads=1).embed(reader_then_dialogue, activity, never)
    first, last = (voices[window, activity.alone[window].sum(axis=0).argmax()] for window in (0, len(voices) - 1))
    second = voices[1, activity.alone[1].sum(axis=0).argmax()]
    unit = [voice / np.linalg.norm(voice) for voice in (first, second, last)]
    assert unit[0] @ unit[1] > 0.7 > 0.4 > unit[0] @ unit[2]
