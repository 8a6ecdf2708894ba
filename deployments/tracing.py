"""OpenTelemetry spans: what was done for a request, where, and for how long. docs/traces.md lists them.

This is OpenTelemetry's API alone, which does next to nothing as long as nobody set up an export (trace_export.py). A
trace begins at a request, a socket or a job; everything else makes spans only inside of one. The span in hand is
OpenTelemetry's own current one, so that logs can name it.

A span says how work failed by the class of the error, never by its message, and is marked as failed where the service
is to blame. It holds numbers, names of stages and ids of requests, never what was said, a key, or a URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from deployments.contracts import TraceContext
from deployments.errors import (
    AccessDenied,
    AudioRejected,
    Cancelled,
    GoingAway,
    InvalidRequest,
    SessionLimit,
    SourceRejected,
    TooManyRequests,
)
from deployments.signals import failure_label

Stage = TypeVar("Stage")
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_Method = Callable[Concatenate[Stage, Arguments], Coroutine[Any, Any, Result]]

TRACER = trace.get_tracer("rayscribe")
_NO_FAULT_OF_OURS = (
    AccessDenied,
    AudioRejected,
    Cancelled,
    GoingAway,
    InvalidRequest,
    SessionLimit,
    SourceRejected,
    TooManyRequests,
    asyncio.CancelledError,
    GeneratorExit,
)
# W3C Trace Context; OTEL_PROPAGATORS is not asked, since baggage may hold anything.
_PROPAGATOR = TraceContextTextMapPropagator()


def trace_of_headers(headers: Mapping[str, str]) -> TraceContext | None:
    """What a caller sent, by lower-case names; None without a ``traceparent``. A wrong one begins a new trace."""
    traceparent = headers.get("traceparent")
    return None if traceparent is None else TraceContext(traceparent, headers.get("tracestate", ""))


def current_trace() -> TraceContext | None:
    """The span in hand, for those who go on with its work elsewhere; None without one."""
    return trace_of_headers(trace_headers())


def trace_headers() -> dict[str, str]:
    """Headers by which another service can go on with the trace in hand; none where there is none."""
    headers: dict[str, str] = {}
    _PROPAGATOR.inject(headers)
    return headers


@contextlib.contextmanager
def begun_span(
    name: str, origin: TraceContext | None, kind: SpanKind = SpanKind.SERVER, **attributes: str | float
) -> Iterator[Span]:
    """The body is work that came from elsewhere: its span goes on with the origin's trace, or begins one.

    Attributes get the prefix ``rayscribe.``.
    """
    with _recorded(TRACER.start_span(name, _context_of(origin), kind, _prefixed(attributes))) as span:
        yield span


@contextlib.contextmanager
def inner_span(name: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: str | float) -> Iterator[None]:
    """The body is a part of the work in hand. Where that is not traced, neither is this."""
    if not trace.get_current_span().is_recording():
        yield
        return
    with _recorded(TRACER.start_span(name, None, kind, _prefixed(attributes))):
        yield


@contextlib.contextmanager
def untraced() -> Iterator[None]:
    """The body makes no spans."""
    with trace.use_span(trace.INVALID_SPAN):
        yield


def annotate(**attributes: str | float) -> None:
    """Say more about the work in hand, from any thread that runs in its context."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes(_prefixed(attributes))


def mark(event: str, **attributes: str | float) -> None:
    """Note on the span in hand that something happened now."""
    span = trace.get_current_span()
    if span.is_recording():
        span.add_event(event, _prefixed(attributes))


def note_failure(error: BaseException) -> None:
    """The work in hand failed, for which its span may not see the error."""
    _note_failure(trace.get_current_span(), error)


def traced(name: str) -> Callable[[_Method[Stage, Arguments, Result]], _Method[Stage, Arguments, Result]]:
    """For the methods of deployments: a call with the further argument ``origin`` makes a span. See origin_argument."""

    def decorated(method: _Method[Stage, Arguments, Result]) -> _Method[Stage, Arguments, Result]:
        @functools.wraps(method)
        async def spanned(stage: Stage, *args: Any, origin: TraceContext | None = None, **named: Any) -> Result:
            if origin is None:
                return await method(stage, *args, **named)
            with begun_span(name, origin):
                return await method(stage, *args, **named)

        return cast("_Method[Stage, Arguments, Result]", spanned)

    return decorated


def origin_argument() -> dict[str, TraceContext]:
    """Arguments by which a traced method learns whose work it does; none where nobody traces."""
    origin = current_trace()
    return {} if origin is None else {"origin": origin}


def _context_of(origin: TraceContext | None) -> Context:
    if origin is None:
        return Context()
    headers = {"traceparent": origin.traceparent, "tracestate": origin.tracestate}
    return _PROPAGATOR.extract({name: value for name, value in headers.items() if value}, Context())


@contextlib.contextmanager
def _recorded(span: Span) -> Iterator[Span]:
    """The span is the current one of the body, and ends with it."""
    # Not the library's way with exceptions: it would record their messages, which may quote a recording.
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield span
        except BaseException as error:
            _note_failure(span, error)
            raise


def _note_failure(span: Span, error: BaseException) -> None:
    span.set_attribute("error.type", failure_label(error))
    if not isinstance(error, _NO_FAULT_OF_OURS):
        span.set_status(Status(StatusCode.ERROR))


def _prefixed(attributes: Mapping[str, str | float]) -> dict[str, str | float]:
    return {f"rayscribe.{name}": value for name, value in attributes.items()}
