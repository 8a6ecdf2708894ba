"""The pipeline when stages die, refuse, fail or never answer, and when its client leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError, RayServeException

from deployments.contracts import TranscriptionRequest
from deployments.errors import DeadlineExceeded, Overloaded, StageLost, UnsupportedAudio
from serve_app.settings import LimitSettings, Settings
from tests.fakes.stages import FakeGraph, FakeStage
from tests.fakes.virtual_time import virtually
from tests.serve_app.pipelines import AUDIO, REQUEST, fails, never, pipeline

pytestmark = pytest.mark.unit


# A replica that is stopped cancels what it has in hand.
@pytest.mark.parametrize("end", [ActorDiedError(), asyncio.CancelledError()])
@pytest.mark.parametrize("stage", ["decoder", "speech_gate", "recognizer", "refiner"])
async def test_a_replica_that_dies_or_is_stopped_is_replaced_by_another(stage: str, end: BaseException) -> None:
    graph = FakeGraph()
    name = {"decoder": "decode", "speech_gate": "inspect", "recognizer": "recognize", "refiner": "refine"}[stage]
    healthy = getattr(getattr(graph, stage), name).answer
    setattr(graph, stage, FakeStage(**{name: fails(end, then=healthy)}))
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


async def test_a_stage_that_keeps_stopping_is_reported_as_lost() -> None:
    graph = FakeGraph()

    async def stops(*_: Any) -> None:
        raise asyncio.CancelledError

    graph.recognizer = FakeStage(recognize=stops)
    with pytest.raises(StageLost):
        await pipeline(graph).transcribe(REQUEST, AUDIO)
    assert len(graph.recognizer.recognize.calls) == 3


@virtually
async def test_a_client_that_hangs_up_cancels_every_stage_that_works_for_it() -> None:
    graph = FakeGraph()
    graph.recognizer = FakeStage(recognize=never)
    graph.diarizer = FakeStage(diarize=never)
    request = TranscriptionRequest("req_1", "en", diarize=True)
    running = asyncio.create_task(pipeline(graph).transcribe(request, AUDIO))
    await asyncio.sleep(1.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert graph.recognizer.recognize.responses[0].cancelled
    assert graph.diarizer.diarize.responses[0].cancelled


async def test_a_failing_stage_cancels_the_one_that_runs_beside_it() -> None:
    graph = FakeGraph()

    async def breaks(*_: Any) -> None:
        raise ValueError("broken")

    graph.diarizer = FakeStage(diarize=never)
    graph.recognizer = FakeStage(recognize=breaks)
    with pytest.raises(ValueError, match="broken"):
        await pipeline(graph).transcribe(TranscriptionRequest("req_1", "en", diarize=True), AUDIO)
    assert graph.diarizer.diarize.responses[0].cancelled


@virtually
async def test_the_time_that_a_caller_gives_ends_the_stage_as_a_timeout() -> None:
    graph = FakeGraph()
    graph.recognizer = FakeStage(recognize=never)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await pipeline(graph).transcribe(REQUEST, AUDIO)
    assert graph.recognizer.recognize.responses[0].cancelled


@virtually
async def test_a_stage_that_never_answers_ends_with_the_deadline() -> None:
    graph = FakeGraph()
    graph.recognizer = FakeStage(recognize=never)
    settings = Settings(limits=LimitSettings(request_timeout_s=60.0))
    with pytest.raises(DeadlineExceeded):
        await pipeline(graph, settings).transcribe(REQUEST, AUDIO)
    assert graph.recognizer.recognize.responses[0].cancelled
