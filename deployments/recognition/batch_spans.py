"""Spans of the recogniser's batches, and links between them and the requests that they served.

A span has one parent, and a batch serves many requests: it belongs to the trace of the first of them that is recorded,
which decides on sampling, has links to all, and each of them has one to it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, Status, StatusCode

from deployments.recognition.batches import BatchObserver, BatchReport
from deployments.tracing import TRACER


class BatchSpans:
    """Implements BatchObserver, and tells another one."""

    def __init__(self, observer: BatchObserver) -> None:
        self._observer = observer

    def waiting(self, queued_s: float, running_batches: int) -> None:
        """See BatchObserver."""
        self._observer.waiting(queued_s, running_batches)

    def ran(self, report: BatchReport) -> None:
        """See BatchObserver. The span is made afterwards: while a batch runs, it is nobody's span in hand."""
        self._observer.ran(report)
        waits_s: dict[Span, list[float]] = {}
        for origin, waited_s in zip(report.origins, report.waits_s, strict=True):
            span = origin.run(trace.get_current_span)
            if span.is_recording():
                waits_s.setdefault(span, []).append(waited_s)
        if waits_s:
            _record(report, waits_s)


def _record(report: BatchReport, waits_s: dict[Span, list[float]]) -> None:
    end_ns = time.time_ns()
    batch = TRACER.start_span(
        "batch",
        trace.set_span_in_context(next(iter(waits_s)), Context()),
        start_time=end_ns - int(report.worked_s * 1e9),
        links=[Link(span.get_span_context()) for span in waits_s],
        attributes={
            "rayscribe.priority": report.priority.name.lower(),
            "rayscribe.windows": len(report.durations_s),
            "rayscribe.audio_s": sum(report.durations_s),
            "rayscribe.padded_s": report.padded_s,
        },
    )
    if report.failed:
        batch.set_status(Status(StatusCode.ERROR))
    batch.end(end_ns)
    for span, waits in waits_s.items():
        span.add_link(batch.get_span_context(), _link_attributes(waits))


def _link_attributes(waits_s: Sequence[float]) -> dict[str, float]:
    return {"rayscribe.windows": len(waits_s), "rayscribe.queue_s": max(waits_s)}
