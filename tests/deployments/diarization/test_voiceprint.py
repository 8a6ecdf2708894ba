"""Voiceprints by the real networks, on the speech inside the moonshine-voice wheel."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from deployments.contracts import SAMPLE_RATE_HZ, Samples, SpeakerCount, Voiceprint, Waveform
from deployments.diarization.deployment import Diarizer, DiarizerConfig
from deployments.diarization.onnx_trunk import load_onnx_diarizer
from deployments.diarization.shared_trunk import LEAST_VOICE_S, SharedTrunkDiarizer
from deployments.errors import Cancelled
from tests.fakes.recordings import recording

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def engine() -> SharedTrunkDiarizer:
    return load_onnx_diarizer()


def cut(name: str, start_s: float, end_s: float) -> Samples:
    return recording(name)[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]


def similarity(first: Voiceprint | None, second: Voiceprint | None) -> float:
    assert first is not None
    assert second is not None
    return float(first.embedding @ second.embedding)


def test_a_print_has_unit_length_and_says_what_it_rests_on(engine: SharedTrunkDiarizer) -> None:
    utterance = cut("two_cities", 1.0, 6.0)
    heard = engine.voiceprint(utterance)
    assert heard is not None
    assert heard.embedding.shape == (256,)
    assert heard.embedding.dtype == np.float32
    assert np.linalg.norm(heard.embedding) == pytest.approx(1.0, abs=1e-5)
    assert 2.5 < heard.speech_s < 5.0
    padded = engine.voiceprint(np.concatenate([utterance, np.zeros(3 * SAMPLE_RATE_HZ, np.float32)]))
    assert padded is not None
    assert padded.speech_s == pytest.approx(heard.speech_s, abs=0.3), "silence is no speech"


def test_voices_are_closer_within_a_reader_than_between_readers(engine: SharedTrunkDiarizer) -> None:
    reader, later, elsewhere, actor = (
        engine.voiceprint(heard)
        for heard in (
            cut("two_cities", 1.0, 5.0),
            cut("two_cities", 20.0, 23.0),
            cut("beckett", 0.0, 6.0),
            cut("endgame_nagg_nell", 0.0, 3.0),
        )
    )
    assert min(similarity(reader, later), similarity(reader, elsewhere)) > 0.5
    assert max(similarity(reader, actor), similarity(later, actor)) < 0.3


def test_of_two_people_the_one_who_says_more_is_heard(engine: SharedTrunkDiarizer) -> None:
    reader, actor = cut("two_cities", 1.0, 6.0), cut("endgame_nagg_nell", 0.0, 2.0)
    mixed = engine.voiceprint(np.concatenate([actor, reader]))
    assert similarity(mixed, engine.voiceprint(reader)) > 0.7 > 0.4 > similarity(mixed, engine.voiceprint(actor))


def test_ten_seconds_are_enough(engine: SharedTrunkDiarizer) -> None:
    both = engine.voiceprint(cut("two_cities", 0.0, 14.0)), engine.voiceprint(cut("two_cities", 0.0, 10.0))
    assert similarity(*both) == pytest.approx(1.0)


@pytest.mark.parametrize("sample_count", [0, 1, 300, int(LEAST_VOICE_S * SAMPLE_RATE_HZ) - 1])
def test_too_short_for_a_voice(engine: SharedTrunkDiarizer, sample_count: int) -> None:
    assert engine.voiceprint(cut("two_cities", 2.0, 3.0)[:sample_count]) is None


@pytest.mark.parametrize("duration_s", [LEAST_VOICE_S, 1.0, 15.0])
def test_silence_and_noise_have_no_voice(engine: SharedTrunkDiarizer, duration_s: float) -> None:
    samples = int(duration_s * SAMPLE_RATE_HZ)
    assert engine.voiceprint(np.zeros(samples, np.float32)) is None
    noise = np.random.default_rng(1).normal(0.0, 0.01, samples).astype(np.float32)
    assert engine.voiceprint(noise) is None


def test_read_only_samples_are_enough(engine: SharedTrunkDiarizer) -> None:
    frozen = cut("two_cities", 2.0, 4.0).copy()
    frozen.flags.writeable = False
    assert engine.voiceprint(frozen) is not None


@pytest.mark.parametrize("calls_before_stop", [0, 1])
def test_it_stops_between_model_calls(engine: SharedTrunkDiarizer, calls_before_stop: int) -> None:
    answers = iter([False] * calls_before_stop + [True])
    with pytest.raises(Cancelled):
        engine.voiceprint(cut("two_cities", 2.0, 4.0), lambda: next(answers))


async def test_a_voice_does_not_wait_for_a_recording_that_is_being_diarized() -> None:
    stage = Diarizer(DiarizerConfig())
    hour = Waveform(np.tile(cut("two_cities", 0.0, 40.0), 90))
    diarizations = [asyncio.create_task(stage.diarize(hour, SpeakerCount())) for _ in range(3)]
    await asyncio.sleep(0)
    assert await stage.voiceprint(Waveform(cut("two_cities", 2.0, 6.0))) is not None
    assert not any(task.done() for task in diarizations)
    for task in diarizations:
        task.cancel()
    results = await asyncio.gather(*diarizations, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
