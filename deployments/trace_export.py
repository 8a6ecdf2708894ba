"""Sends the spans of this process away, where OpenTelemetry's own environment variables say so. See docs/traces.md.

Spans are collected in a bounded queue and sent by a thread; when the queue is full they are dropped. Nothing of it is
imported as long as nobody asks for it: the SDK and its exporter take 0.15 s.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from opentelemetry import trace

from deployments.errors import EngineUnavailable

_PROTOCOL = "http/protobuf"
_PROTOCOL_NAMES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_ENDPOINT_NAMES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
# The SDK's default is 5 s. Serve ends a replica two seconds after its last request; by then its spans are away.
_SCHEDULE_DELAY_MS = "1000"


def start_trace_export(environment: Mapping[str, str] = os.environ) -> None:
    """Begin to send spans, once in a process, if there is an endpoint to send them to.

    A tracer provider that somebody else has set up already, as Ray Serve's own tracing does, is used as it is.

    Raises:
        EngineUnavailable: the variables ask for a protocol or an exporter that is not there.
    """
    if not _is_wanted(environment):
        return
    from opentelemetry.sdk.trace import TracerProvider

    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    delay_ms = float(environment.get("OTEL_BSP_SCHEDULE_DELAY") or _SCHEDULE_DELAY_MS)
    ours: dict[str, str | int] = {
        "service.name": "rayscribe",
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
    }
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go first.
    provider = TracerProvider(resource=Resource.create(ours).merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=delay_ms))
    trace.set_tracer_provider(provider)


def _is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the variables ask for an export, and for none that is not there."""
    exporter = environment.get("OTEL_TRACES_EXPORTER")
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none":
        return False
    if not exporter and not any(environment.get(name) for name in _ENDPOINT_NAMES):
        return False
    if exporter and exporter != "otlp":
        raise EngineUnavailable(f"OTEL_TRACES_EXPORTER is {exporter}: traces are sent by otlp, or not at all (none)")
    protocol = next(filter(None, map(environment.get, _PROTOCOL_NAMES)), _PROTOCOL)
    if protocol != _PROTOCOL:
        raise EngineUnavailable(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}: traces are sent by {_PROTOCOL} alone")
    return True
