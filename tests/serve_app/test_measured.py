from __future__ import annotations

import asyncio

import numpy as np
import pytest

from deployments.contracts import SpeechMap, TranscriptionRequest, TranscriptionWarning, WarningCode
from deployments.errors import Overloaded
from deployments.signal_table import (
    TRANSCRIPTION_AUDIO,
    TRANSCRIPTION_BYTES,
    TRANSCRIPTION_RTFX,
    TRANSCRIPTION_STAGE,
    TRANSCRIPTION_STAGE_SPENT,
    TRANSCRIPTION_TIME,
    TRANSCRIPTIONS,
    WARNINGS,
)
from serve_app.measured import MeasuredTranscriber, length_label
from serve_app.pipeline import Pipeline
from serve_app.settings import Settings
from tests.fakes.edge import FakePipeline
from tests.fakes.signals import RecordedSignals
from tests.fakes.stages import FakeGraph, FakeStage

pytestmark = pytest.mark.unit

AUDIO = np.zeros(10, np.uint8)
REQUEST = TranscriptionRequest("req_1", language="en")


def measured(pipeline: FakePipeline, signals: RecordedSignals, took_s: float = 0.5) -> MeasuredTranscriber:
    times_s = iter([100.0, 100.0 + took_s])
    return MeasuredTranscriber(pipeline, signals, "request", clock=lambda: next(times_s))


async def test_a_transcript_tells_its_time_by_its_length_and_its_warnings() -> None:
    signals = RecordedSignals()
    warning = TranscriptionWarning(WarningCode.AUDIO_TRUNCATED, "It ends early")
    await measured(FakePipeline(warnings=(warning,), duration_s=20.0), signals).transcribe(REQUEST, AUDIO)
    assert signals.counted(TRANSCRIPTIONS, "request", "completed") == 1
    assert signals.observed(TRANSCRIPTION_TIME, "request", "under_1_min") == [0.5]
    assert signals.observed(TRANSCRIPTION_RTFX, "request", "under_1_min") == [40.0]
    assert signals.counted(TRANSCRIPTION_AUDIO, "request") == 20.0
    assert signals.counted(TRANSCRIPTION_BYTES, "request") == AUDIO.nbytes
    assert signals.counted(WARNINGS, "request", "audio_truncated") == 1


@pytest.mark.parametrize(
    ("code", "outcome"), [(WarningCode.NO_SPEECH_DETECTED, "no_speech"), (WarningCode.LOW_SNR_DROPPED, "low_snr")]
)
async def test_what_the_gate_ended_is_told_apart(code: WarningCode, outcome: str) -> None:
    signals = RecordedSignals()
    silent = FakePipeline(segments=(), warnings=(TranscriptionWarning(code, "Nothing to hear"),))
    await measured(silent, signals, took_s=0.0).transcribe(REQUEST, AUDIO)
    assert signals.counted(TRANSCRIPTIONS, "request", outcome) == 1


@pytest.mark.parametrize(
    ("error", "outcome"), [(Overloaded("Full"), "overloaded"), (KeyError("what was said"), "internal_error")]
)
async def test_a_failure_is_counted_by_its_class_and_takes_no_time(error: Exception, outcome: str) -> None:
    signals = RecordedSignals()
    with pytest.raises(type(error)):
        await measured(FakePipeline(error=error), signals).transcribe(REQUEST, AUDIO)
    assert dict(signals.counts) == {
        (TRANSCRIPTION_BYTES.name, ("request",)): AUDIO.nbytes,
        (TRANSCRIPTIONS.name, ("request", outcome)): 1,
    }
    assert not signals.values


async def test_a_client_that_hangs_up_is_counted() -> None:
    signals, pipeline = RecordedSignals(), FakePipeline()
    pipeline.gate.clear()
    call = asyncio.create_task(measured(pipeline, signals).transcribe(REQUEST, AUDIO))
    await pipeline.arrivals.acquire()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert signals.counted(TRANSCRIPTIONS, "request", "cancelled") == 1


def test_lengths_have_few_names() -> None:
    assert [length_label(seconds) for seconds in (0.0, 15.0, 60.0, 600.0)] == [
        "under_15_s", "under_1_min", "under_10_min", "longer"
    ]  # fmt: skip


async def test_each_part_of_the_graph_is_told_once_for_each_recording() -> None:
    signals = RecordedSignals()
    pipeline = Pipeline(FakeGraph().handles(), Settings(), signals)
    await pipeline.transcribe(TranscriptionRequest("req_1", language="en", diarize=True), AUDIO)
    for part in ("open", "recognize", "diarize", "refine"):
        [spent_s] = signals.observed(TRANSCRIPTION_STAGE, part)
        assert signals.counted(TRANSCRIPTION_STAGE_SPENT, part) == spent_s


async def test_a_recording_without_speech_spends_its_time_at_the_gate() -> None:
    signals, graph = RecordedSignals(), FakeGraph()
    graph.speech = SpeechMap(4.0, (), None)
    await Pipeline(graph.handles(), Settings(), signals).transcribe(REQUEST, AUDIO)
    assert list(signals.values) == [(TRANSCRIPTION_STAGE.name, ("open",))]


async def test_a_stage_that_fails_has_spent_its_time() -> None:
    async def breaks(*_: object) -> None:
        raise Overloaded("Full")

    signals, graph = RecordedSignals(), FakeGraph()
    graph.recognizer = FakeStage(recognize=breaks)
    with pytest.raises(Overloaded):
        await Pipeline(graph.handles(), Settings(), signals).transcribe(REQUEST, AUDIO)
    assert len(signals.observed(TRANSCRIPTION_STAGE, "recognize")) == 1
    assert signals.observed(TRANSCRIPTION_STAGE, "refine") == []
