from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from deployments.contracts import TraceContext
from deployments.recognition.batch_spans import BatchSpans
from deployments.recognition.batcher import Batcher
from deployments.recognition.batches import BatchLimits
from deployments.recognition.signals import BatchSignals
from deployments.signals import SILENT
from deployments.tracing import begun_span
from tests.fakes.spans import TRACEPARENT, UNSAMPLED, collected_spans, id_of, trace_id_of

pytestmark = pytest.mark.unit

SAMPLED = TraceContext(TRACEPARENT)


def links_of(span: ReadableSpan) -> set[int]:
    return {link.context.span_id for link in span.links}


class Desk:
    """A batcher whose first batch waits for ``go_on``, so that what is submitted meanwhile goes together."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.batcher: Batcher[str, str] = Batcher(self._run, BatchLimits(), BatchSpans(BatchSignals(SILENT)))

    def _run(self, words: Sequence[str]) -> list[str]:
        self.go_on.wait(10)
        if "wrong" in words:
            raise ValueError(words)
        return list(words)

    async def ask(self, name: str, origin: TraceContext | None, *words: str) -> list[str]:
        with begun_span(name, origin):
            return await self.batcher.submit([(word, 2.0) for word in words], timeout_s=10)

    async def ask_together(self, **origins: TraceContext | None) -> None:
        """One batch for a "first", and one for all of these, in order."""
        first = asyncio.create_task(self.ask("first", TraceContext(UNSAMPLED), "first"))
        await asyncio.sleep(0)
        asked = [asyncio.create_task(self.ask(name, origin, name, name)) for name, origin in origins.items()]
        await asyncio.sleep(0)
        self.go_on.set()
        await asyncio.gather(first, *asked, return_exceptions=True)
        await self.batcher.close()


async def test_a_batch_is_linked_with_all_requests_that_it_served() -> None:
    with collected_spans() as spans:
        await Desk().ask_together(mine=SAMPLED, yours=None)
    mine, yours, batch = spans.named("mine"), spans.named("yours"), spans.named("batch")
    assert trace_id_of(mine) != trace_id_of(yours)
    assert links_of(batch) == {id_of(mine), id_of(yours)}
    assert links_of(mine) == links_of(yours) == {id_of(batch)}
    assert spans.parent_of("batch") == "mine"
    assert spans.attribute("batch", "rayscribe.windows") == 4
    assert spans.attribute("batch", "rayscribe.audio_s") == 8.0
    [link] = yours.links
    assert link.attributes is not None
    assert link.attributes["rayscribe.windows"] == 2


async def test_a_request_that_is_not_sampled_is_left_out() -> None:
    with collected_spans() as spans:
        await Desk().ask_together(unseen=TraceContext(UNSAMPLED), yours=SAMPLED)
    assert sorted(spans.names) == ["batch", "yours"]
    assert spans.parent_of("batch") == "yours"
    assert links_of(spans.named("batch")) == {id_of(spans.named("yours"))}


async def test_a_batch_for_nobody_who_traces_has_no_span() -> None:
    with collected_spans() as spans:
        await Desk().ask_together(unseen=TraceContext(UNSAMPLED))
    assert spans.spans == []


async def test_a_batch_that_failed_says_so_and_each_window_runs_alone() -> None:
    with collected_spans() as spans:
        await Desk().ask_together(fine=SAMPLED, wrong=SAMPLED)
    together, *alone = (span for span in spans.spans if span.name == "batch")
    assert together.status.status_code is StatusCode.ERROR
    assert len(links_of(together)) == 2
    for batch in alone:
        is_fine = batch.status.status_code is StatusCode.UNSET
        assert links_of(batch) == {id_of(spans.named("fine" if is_fine else "wrong"))}
    assert any(batch.status.status_code is StatusCode.UNSET for batch in alone)
    assert spans.attribute("wrong", "error.type") == "internal_error"
    assert spans.attribute("fine", "error.type") is None
