from __future__ import annotations

import numpy as np
import pytest
from opentelemetry.trace import StatusCode
from ray.exceptions import ActorDiedError

from deployments.contracts import TraceContext, TranscriptionRequest
from deployments.errors import UnsupportedAudio
from deployments.tracing import begun_span
from serve_app.pipeline import Pipeline
from serve_app.settings import Settings
from tests.fakes.spans import TRACEPARENT, CollectedSpans, collected_spans, id_of
from tests.fakes.stages import FakeGraph, FakeMethod, FakeStage

pytestmark = pytest.mark.unit

REQUEST = TranscriptionRequest("req_1", candidates=("de", "en"), diarize=True)


async def transcribed(graph: FakeGraph) -> CollectedSpans:
    with collected_spans() as spans, begun_span("request", TraceContext(TRACEPARENT)):
        await Pipeline(graph.handles(), Settings()).transcribe(REQUEST, np.zeros(10, np.uint8))
    return spans


def methods(graph: FakeGraph) -> list[FakeMethod]:
    return [
        graph.decoder.decode,
        graph.speech_gate.inspect,
        graph.language_identifier.identify,
        graph.recognizer.recognize,
        graph.diarizer.diarize,
        graph.refiner.refine,
    ]


async def test_every_stage_is_told_whose_work_it_does() -> None:
    graph = FakeGraph()
    spans = await transcribed(graph)
    assert spans.parent_of("transcribe") == "request"
    assert spans.attribute("transcribe", "rayscribe.request_id") == "req_1"
    assert spans.attribute("transcribe", "rayscribe.audio_s") == 4.0
    told = f"{TRACEPARENT[:36]}{id_of(spans.named('transcribe')):016x}-01"
    for method in methods(graph):
        assert method.origins == [TraceContext(told)]


async def test_without_a_trace_no_stage_is_told_of_any() -> None:
    graph = FakeGraph()
    with collected_spans() as spans:
        await Pipeline(graph.handles(), Settings()).transcribe(REQUEST, np.zeros(10, np.uint8))
    assert spans.spans == []
    assert all(method.origins == [None] for method in methods(graph))


async def test_a_call_that_is_made_again_is_noted() -> None:
    graph = FakeGraph()
    errors = [ActorDiedError()]
    recognize = graph.recognizer.recognize.answer

    async def dies_once(*args: object) -> object:
        if errors:
            raise errors.pop()
        return await recognize(*args)

    graph.recognizer = FakeStage(recognize=dies_once)
    spans = await transcribed(graph)
    [retry] = spans.named("transcribe").events
    assert retry.name == "retry"
    assert dict(retry.attributes or {}) == {"rayscribe.attempt": 2}
    assert len(graph.recognizer.recognize.origins) == 2


async def test_a_failure_is_told_by_its_class() -> None:
    graph = FakeGraph()

    async def refuses(*args: object) -> None:
        raise UnsupportedAudio("some words")

    graph.decoder = FakeStage(decode=refuses)
    with collected_spans() as spans, pytest.raises(UnsupportedAudio), begun_span("request", None):
        await Pipeline(graph.handles(), Settings()).transcribe(REQUEST, np.zeros(10, np.uint8))
    assert spans.attribute("transcribe", "error.type") == "unsupported_audio"
    assert spans.named("transcribe").status.status_code is StatusCode.UNSET
    assert "some words" not in spans.named("transcribe").to_json()
