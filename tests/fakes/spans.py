"""Collects the spans of this process while a test wants them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import SpanContext

PARENT_ID = 0x00F067AA0BA902B7
TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


class CollectedSpans(SpanProcessor):
    """Ended spans in the order in which they ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self.is_on = False

    def on_end(self, span: ReadableSpan) -> None:
        if self.is_on:
            self.spans.append(span)

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def named(self, name: str) -> ReadableSpan:
        [span] = [span for span in self.spans if span.name == name]
        return span

    def parent_of(self, name: str) -> str | None:
        """The parent's name; None where it is no span of these."""
        parent = self.named(name).parent
        return None if parent is None else {id_of(span): span.name for span in self.spans}.get(parent.span_id)

    def attribute(self, name: str, attribute: str) -> object:
        return (self.named(name).attributes or {}).get(attribute)


class _WhileOn(Sampler):
    """Samples while a test collects: the tests around it run as if nobody traced."""

    def __init__(self, collected: CollectedSpans) -> None:
        self._collected = collected
        self._on = ParentBased(ALWAYS_ON)

    def should_sample(self, *args: Any, **named: Any) -> SamplingResult:
        return (self._on if self._collected.is_on else ALWAYS_OFF).should_sample(*args, **named)

    def get_description(self) -> str:
        return "while a test collects"


@cache
def _collected() -> CollectedSpans:
    """A process has one tracer provider, once and for all."""
    collected = CollectedSpans()
    provider = TracerProvider(sampler=_WhileOn(collected), shutdown_on_exit=False)
    provider.add_span_processor(collected)
    trace.set_tracer_provider(provider)
    return collected


@contextlib.contextmanager
def collected_spans() -> Iterator[CollectedSpans]:
    """Trace while the context is open."""
    collected = _collected()
    collected.spans, collected.is_on = [], True
    try:
        yield collected
    finally:
        collected.is_on = False


def id_of(span: ReadableSpan) -> int:
    assert isinstance(span.context, SpanContext)
    return int(span.context.span_id)


def trace_id_of(span: ReadableSpan) -> int:
    assert isinstance(span.context, SpanContext)
    return int(span.context.trace_id)
