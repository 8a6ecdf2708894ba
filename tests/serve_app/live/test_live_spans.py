from __future__ import annotations

import numpy as np
import pytest

from deployments.contracts import NO_TERMS, TimeSpan, TraceContext
from deployments.tracing import begun_span
from serve_app.live.hearing import Excerpt
from serve_app.live.recognizing import HearingTask, StageHearing
from tests.fakes.spans import TRACEPARENT, CollectedSpans, collected_spans, id_of
from tests.fakes.stages import FakeGraph

pytestmark = pytest.mark.unit

EXCERPT = Excerpt(np.zeros(4 * 16_000, np.float32), 10.0, (TimeSpan(0.0, 4.0),), 3.0)
TASK = HearingTask(("en", "de"), punctuate=True, vocabulary=NO_TERMS, timeout_s=5.0, voices=True)


async def heard(graph: FakeGraph, *, is_partial: bool) -> CollectedSpans:
    with collected_spans() as spans, begun_span("session", TraceContext(TRACEPARENT)):
        await StageHearing(graph.handles(), TASK)(EXCERPT, is_partial=is_partial)
    return spans


async def test_an_utterance_is_a_part_of_its_session_and_all_stages_work_for_it() -> None:
    graph = FakeGraph()
    spans = await heard(graph, is_partial=False)
    assert spans.parent_of("utterance") == "session"
    assert spans.attribute("utterance", "rayscribe.audio_s") == 4.0
    told = TraceContext(f"{TRACEPARENT[:36]}{id_of(spans.named('utterance')):016x}-01")
    stages = (graph.language_identifier.identify, graph.recognizer.recognize, graph.refiner.refine)
    for method in (*stages, graph.diarizer.voiceprint):
        assert method.origins == [told]


async def test_partial_texts_are_not_traced() -> None:
    graph = FakeGraph()
    spans = await heard(graph, is_partial=True)
    assert spans.names == ["session"]
    assert graph.recognizer.recognize.origins == [None]
