from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from deployments.contracts import TraceContext
from deployments.errors import GoingAway, InvalidParameter, StageLost
from deployments.offload import EngineThreads
from deployments.tracing import (
    annotate,
    begun_span,
    current_trace,
    inner_span,
    mark,
    origin_argument,
    trace_of_headers,
    traced,
    untraced,
)
from tests.fakes.spans import PARENT_ID, TRACE_ID, TRACEPARENT, UNSAMPLED, CollectedSpans, collected_spans, trace_id_of

pytestmark = pytest.mark.unit

ORIGIN = TraceContext(TRACEPARENT, "vendor=opaque")
SAID = "what was said"


class Echo:
    """A stage that answers after it was told to, or fails."""

    def __init__(self) -> None:
        self.threads = EngineThreads(1, lambda waited_s, worked_s: annotate(queue_s=waited_s, work_s=worked_s))

    @traced("echo")
    async def answer(self, text: str, error: BaseException | None = None) -> str:
        if error is not None:
            raise error
        return await self.threads.run(lambda _: text)


def failure_of(spans: CollectedSpans, name: str) -> tuple[object, StatusCode]:
    return spans.attribute(name, "error.type"), spans.named(name).status.status_code


async def test_a_stage_goes_on_with_the_trace_that_it_is_told() -> None:
    with collected_spans() as spans:
        with begun_span("request", ORIGIN):
            arguments = origin_argument()
        # Elsewhere: nothing but the arguments gets there.
        assert await Echo().answer("hello", **arguments) == "hello"  # type: ignore[arg-type]
    assert [trace_id_of(span) for span in spans.spans] == [TRACE_ID, TRACE_ID]
    request = spans.named("request")
    assert request.parent is not None
    assert request.parent.span_id == PARENT_ID
    assert request.parent.trace_state["vendor"] == "opaque"
    assert spans.parent_of("echo") == "request"
    assert arguments["origin"].tracestate == "vendor=opaque"


async def test_times_that_a_thread_observes_are_on_the_span_of_the_call() -> None:
    with collected_spans() as spans:
        await Echo().answer("hello", origin=ORIGIN)  # type: ignore[call-arg]
    assert isinstance(spans.attribute("echo", "rayscribe.queue_s"), float)
    assert isinstance(spans.attribute("echo", "rayscribe.work_s"), float)


async def test_a_call_without_an_origin_makes_no_span() -> None:
    with collected_spans() as spans:
        assert await Echo().answer("hello") == "hello"
        with inner_span("part"):
            mark("event")
        assert origin_argument() == {}
    assert spans.spans == []


async def test_what_works_untraced_makes_no_spans_and_the_rest_goes_on() -> None:
    with collected_spans() as spans, begun_span("request", ORIGIN):
        with untraced():
            assert current_trace() is None
            with inner_span("unseen"):
                pass
        with inner_span("seen"):
            pass
    assert spans.names == ["seen", "request"]


@pytest.mark.parametrize(
    ("error", "type_", "status"),
    [
        (StageLost("the worker died"), "stage_lost", StatusCode.ERROR),
        (ValueError(SAID), "internal_error", StatusCode.ERROR),
        (InvalidParameter("language", SAID), "invalid_parameter", StatusCode.UNSET),
        (GoingAway(SAID), "going_away", StatusCode.UNSET),
        (asyncio.CancelledError(SAID), "cancelled", StatusCode.UNSET),
    ],
)
async def test_a_failure_is_told_by_its_class_and_never_by_its_words(
    error: BaseException, type_: str, status: StatusCode
) -> None:
    with collected_spans() as spans, pytest.raises(type(error)):
        await Echo().answer("hello", error, origin=ORIGIN)  # type: ignore[call-arg]
    assert failure_of(spans, "echo") == (type_, status)
    assert SAID not in spans.named("echo").to_json()


def test_a_request_that_is_not_sampled_makes_no_spans_but_keeps_its_id() -> None:
    with collected_spans() as spans, begun_span("request", TraceContext(UNSAMPLED)):
        origin = current_trace()
        with begun_span("stage", origin):
            assert trace.get_current_span().get_span_context().trace_id == TRACE_ID
    assert spans.spans == []
    assert origin is not None
    assert origin.traceparent.endswith("-00")


def test_one_without_a_traceparent_begins_a_trace_of_its_own() -> None:
    with collected_spans() as spans:
        for _ in range(2):
            with begun_span("outer", TraceContext(TRACEPARENT)), begun_span("request", trace_of_headers({})):
                pass
    first, second = (span for span in spans.spans if span.name == "request")
    assert first.parent is second.parent is None
    assert len({trace_id_of(first), trace_id_of(second), TRACE_ID}) == 3


WRONG = st.one_of(
    st.text(),
    st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True),
    st.just(TRACEPARENT.upper()),
)


@given(st.dictionaries(st.sampled_from(["traceparent", "tracestate"]), WRONG))
def test_whatever_a_client_sends_as_a_trace_the_request_is_served(headers: dict[str, str]) -> None:
    with begun_span("request", trace_of_headers(headers)), begun_span("stage", current_trace()):
        told = current_trace()
    # What is handed on is a trace context, or nothing.
    assert told is None or trace_of_headers({"traceparent": told.traceparent}) is not None
    assert told is None or len(told.traceparent) == 55
