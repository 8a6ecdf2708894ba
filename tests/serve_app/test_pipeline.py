from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError, RayServeException

from deployments.contracts import (
    SpeakerCount,
    SpeechMap,
    TimeSpan,
    TranscriptionRequest,
    TranscriptionWarning,
    WarningCode,
)
from deployments.errors import DeadlineExceeded, Overloaded, StageLost, UnsupportedAudio
from serve_app.pipeline import Pipeline
from serve_app.settings import LimitSettings, RecognitionSettings, Settings
from tests.fakes.stages import FakeGraph, FakeStage

pytestmark = pytest.mark.unit

AUDIO = np.zeros(10, np.uint8)
REQUEST = TranscriptionRequest("req_1", language="en")


def pipeline(graph: FakeGraph, settings: Settings | None = None) -> Pipeline:
    return Pipeline(graph.handles(), settings or Settings())


def fails(*errors: Exception, then: Any) -> Any:
    """A stage method that raises each error once and then answers."""
    left = list(errors)

    async def answer(*args: Any) -> Any:
        if left:
            raise left.pop(0)
        return await then(*args)

    return answer


async def test_a_transcript_has_words_times_and_usage() -> None:
    transcript = await pipeline(FakeGraph()).transcribe(REQUEST, AUDIO)
    assert transcript.text == "word0, word1, word2,"
    assert [word.start_s for word in transcript.words] == [0.0, 1.0, 2.0]
    assert transcript.language == "en"
    assert transcript.usage.billable_s == 4.0
    assert transcript.turns == ()


async def test_a_known_language_needs_no_identification() -> None:
    graph = FakeGraph()
    await pipeline(graph).transcribe(REQUEST, AUDIO)
    assert graph.language_identifier.identify.calls == []


async def test_an_unknown_language_is_identified_for_every_region() -> None:
    graph = FakeGraph()
    request = TranscriptionRequest("req_1", candidates=("de", "en"))
    transcript = await pipeline(graph).transcribe(request, AUDIO)
    assert len(graph.language_identifier.identify.calls) == 1
    assert transcript.detection.lid_calls == 1
    assert transcript.language == "en"


async def test_diarization_gives_every_word_a_speaker() -> None:
    graph = FakeGraph()
    request = TranscriptionRequest("req_1", "en", diarize=True, speaker_count=SpeakerCount(exact=2))
    transcript = await pipeline(graph).transcribe(request, AUDIO)
    assert [word.speaker for word in transcript.words] == ["SPEAKER_00", "SPEAKER_00", "SPEAKER_01"]
    assert [segment.speaker for segment in transcript.segments] == ["SPEAKER_00", "SPEAKER_01"]
    assert graph.diarizer.diarize.calls[0][1] == SpeakerCount(exact=2)


async def test_nothing_runs_and_nothing_is_charged_without_speech() -> None:
    graph = FakeGraph()
    warning = TranscriptionWarning(WarningCode.NO_SPEECH_DETECTED, "nobody speaks")
    graph.speech = SpeechMap(4.0, (), None, (warning,))
    request = TranscriptionRequest("req_1", diarize=True)
    transcript = await pipeline(graph).transcribe(request, AUDIO)
    assert transcript.text == ""
    assert transcript.language is None
    assert transcript.warnings == (warning,)
    assert transcript.usage.billable_s == 0
    assert not graph.recognizer.recognize.calls
    assert not graph.diarizer.diarize.calls


@pytest.mark.parametrize("stage", ["decoder", "speech_gate", "recognizer", "refiner"])
async def test_a_replica_that_dies_is_replaced_by_another(stage: str) -> None:
    graph = FakeGraph()
    name = {"decoder": "decode", "speech_gate": "inspect", "recognizer": "recognize", "refiner": "refine"}[stage]
    healthy = getattr(getattr(graph, stage), name).answer
    setattr(graph, stage, FakeStage(**{name: fails(ActorDiedError(), then=healthy)}))
    transcript = await pipeline(graph).transcribe(REQUEST, AUDIO)
    assert transcript.text == "word0, word1, word2,"
    assert len(getattr(getattr(graph, stage), name).calls) == 2


async def test_the_death_of_the_decoder_seen_by_the_gate_is_retried_with_the_decoder() -> None:
    graph = FakeGraph()
    died = RayServeException("upstream actor died")
    died.__cause__ = ActorDiedError()
    graph.speech_gate = FakeStage(inspect=fails(died, then=graph._inspect))
    await pipeline(graph).transcribe(REQUEST, AUDIO)
    assert len(graph.decoder.decode.calls) == 2


async def test_a_stage_that_keeps_dying_is_reported_as_lost() -> None:
    graph = FakeGraph()

    async def dies(*_: Any) -> None:
        raise ActorDiedError

    graph.recognizer = FakeStage(recognize=dies)
    with pytest.raises(StageLost):
        await pipeline(graph).transcribe(REQUEST, AUDIO)
    assert len(graph.recognizer.recognize.calls) == 3


async def test_back_pressure_is_not_retried() -> None:
    graph = FakeGraph()

    async def full(*_: Any) -> None:
        raise BackPressureError(num_queued_requests=3, max_queued_requests=3)

    graph.recognizer = FakeStage(recognize=full)
    with pytest.raises(Overloaded):
        await pipeline(graph).transcribe(REQUEST, AUDIO)
    assert len(graph.recognizer.recognize.calls) == 1


async def test_bad_audio_is_reported_as_the_decoder_says() -> None:
    graph = FakeGraph()

    async def rejects(*_: Any) -> None:
        raise UnsupportedAudio("no audio in it")

    graph.decoder = FakeStage(decode=rejects)
    with pytest.raises(UnsupportedAudio, match="no audio in it"):
        await pipeline(graph).transcribe(REQUEST, AUDIO)


async def test_a_client_that_hangs_up_cancels_every_stage_that_works_for_it() -> None:
    graph = FakeGraph()

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    graph.recognizer = FakeStage(recognize=never)
    graph.diarizer = FakeStage(diarize=never)
    request = TranscriptionRequest("req_1", "en", diarize=True)
    running = asyncio.create_task(pipeline(graph).transcribe(request, AUDIO))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert graph.recognizer.recognize.responses[0].cancelled
    assert graph.diarizer.diarize.responses[0].cancelled


async def test_a_failing_stage_cancels_the_one_that_runs_beside_it() -> None:
    graph = FakeGraph()

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    async def breaks(*_: Any) -> None:
        raise ValueError("broken")

    graph.diarizer = FakeStage(diarize=never)
    graph.recognizer = FakeStage(recognize=breaks)
    with pytest.raises(ValueError, match="broken"):
        await pipeline(graph).transcribe(TranscriptionRequest("req_1", "en", diarize=True), AUDIO)
    assert graph.diarizer.diarize.responses[0].cancelled


async def test_a_stage_that_never_answers_ends_with_the_deadline() -> None:
    graph = FakeGraph()

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    graph.recognizer = FakeStage(recognize=never)
    settings = Settings(limits=LimitSettings(request_timeout_s=0.2))
    with pytest.raises(DeadlineExceeded):
        await pipeline(graph, settings).transcribe(REQUEST, AUDIO)
    assert graph.recognizer.recognize.responses[0].cancelled


async def test_a_long_recording_is_recognised_in_groups_and_stitched_in_order() -> None:
    graph = FakeGraph()
    graph.speech = SpeechMap(40.0, tuple(TimeSpan(at, at + 3.0) for at in range(0, 40, 4)), 20.0)
    settings = Settings(recognition=RecognitionSettings(group_s=10.0))
    transcript = await pipeline(graph, settings).transcribe(REQUEST, AUDIO)
    assert [len(call[1]) for call in graph.recognizer.recognize.calls] == [2, 2, 2, 2, 2]
    starts = [word.start_s for word in transcript.words]
    assert starts == sorted(starts)
    assert len(starts) == 30
