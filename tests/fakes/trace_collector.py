"""A collector of OpenTelemetry traces: takes OTLP over HTTP, and tells what came."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.fakes.web import Web, running_web


@dataclass(frozen=True)
class SentSpan:
    """One span: ids in hexadecimal digits, ``parent_id`` empty without one; ``links`` are ids of spans."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: frozenset[str]
    attributes: dict[str, object]
    service: str
    failed: bool


class TraceCollector:
    """``environment`` makes a process send its spans here, and soon."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self.url = web.url
        self.environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": web.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}

    def spans(self) -> list[SentSpan]:
        """All that came so far."""
        found = []
        for received in tuple(self._web.received):
            assert received.path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(received.body).resource_spans:
                service = str(_attributes(resource.resource.attributes)["service.name"])
                found += [_sent(span, service) for scope in resource.scope_spans for span in scope.spans]
        return found

    def trace(self, trace_id: str) -> dict[str, list[SentSpan]]:
        """The spans of one trace, by name."""
        trace: dict[str, list[SentSpan]] = {}
        for span in self.spans():
            if span.trace_id == trace_id:
                trace.setdefault(span.name, []).append(span)
        return trace

    @property
    def text(self) -> str:
        """Everything that came, for a search."""
        return "\n".join(received.body.decode(errors="replace") for received in tuple(self._web.received))


@contextlib.contextmanager
def running_trace_collector() -> Iterator[TraceCollector]:
    """A collector on a free port of this machine."""
    with running_web() as web:
        web.status = 200
        yield TraceCollector(web)


def _sent(span: Span, service: str) -> SentSpan:
    return SentSpan(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=frozenset(link.span_id.hex() for link in span.links),
        attributes=_attributes(span.attributes),
        service=service,
        failed=span.status.code == 2,
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in pairs}
