from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from deployments.contracts import RecognizedSpan, RefinementContext, SpeechMap, TimeSpan
from serve_app.engine_settings import RecognitionSettings
from serve_app.settings import LimitSettings, Settings
from tests.fakes.stages import FakeGraph, FakeStage
from tests.fakes.virtual_time import virtually
from tests.serve_app.pipelines import AUDIO, REQUEST, never, pipeline

pytestmark = pytest.mark.unit


@virtually
async def test_a_client_that_hangs_up_at_the_gate_stops_the_decoder() -> None:
    graph = FakeGraph()
    graph.decoder = FakeStage(decode=never)
    running = asyncio.create_task(pipeline(graph).transcribe(REQUEST, AUDIO))
    await asyncio.sleep(1.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert graph.decoder.decode.responses[0].cancelled


async def test_the_decoder_learns_the_callers_own_limit() -> None:
    graph = FakeGraph()
    await pipeline(graph).transcribe(replace(REQUEST, max_duration_s=5.0), AUDIO)
    assert graph.decoder.decode.calls[0][1:] == (5.0,)


@virtually
async def test_no_more_groups_of_a_request_are_recognised_at_once_than_the_settings_allow() -> None:
    graph, inside, most = FakeGraph(), 0, 0

    async def recognize(waveform: Any, spans: Any, task: Any) -> tuple[RecognizedSpan, ...]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(1.0)
        inside -= 1
        return ()

    graph.speech = SpeechMap(80.0, tuple(TimeSpan(at, at + 3.0) for at in range(0, 80, 4)), 20.0)
    graph.recognizer = FakeStage(recognize=recognize)
    settings = Settings(recognition=RecognitionSettings(group_s=10.0, groups_in_flight=2))
    await pipeline(graph, settings).transcribe(REQUEST, AUDIO)
    assert most == 2


async def test_context_hints_and_time_of_the_polish_reach_the_stages() -> None:
    graph = FakeGraph()
    biased = RecognitionSettings(engine="whisper", checkpoint="openai/whisper-large-v3-turbo", languages=("en",))
    settings = Settings(recognition=biased, limits=LimitSettings(request_timeout_s=60.0))
    request = replace(REQUEST, context=RefinementContext(text="We run Ray."), prompt="Anna asks.")
    await pipeline(graph, settings).transcribe(request, AUDIO)
    ((_, task),) = graph.refiner.refine.calls
    assert task.context == request.context
    assert task.polish_timeout_s == pytest.approx(30.0, abs=1.0)
    assert graph.recognizer.recognize.calls[0][2].hints == ("Anna asks",)
