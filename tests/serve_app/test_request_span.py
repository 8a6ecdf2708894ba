from __future__ import annotations

import pytest
from opentelemetry.trace import StatusCode

from deployments.errors import Overloaded, UnsupportedAudio
from tests.fakes.asgi_socket import AsgiSocket
from tests.fakes.edge import Edge
from tests.fakes.spans import PARENT_ID, TRACE_ID, TRACEPARENT, CollectedSpans, collected_spans, trace_id_of

pytestmark = pytest.mark.unit

NAME = "POST /v1/listen"
HEADERS = {"traceparent": TRACEPARENT, "authorization": "Bearer rs_secret"}
AUDIO = {"audio": ("Anna Smith's call.wav", b"some audio")}


async def listened(edge: Edge) -> CollectedSpans:
    with collected_spans() as spans:
        await edge.client.post("/v1/listen?token=rs_secret", files=AUDIO, headers=HEADERS)
    return spans


async def test_a_request_goes_on_with_the_trace_of_its_client() -> None:
    spans = await listened(Edge())
    span = spans.named(NAME)
    assert trace_id_of(span) == TRACE_ID
    assert span.parent is not None
    assert span.parent.span_id == PARENT_ID
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/listen",
        "http.response.status_code": 200,
        "rayscribe.dialect": "smallest_selfhost",
    }
    assert [event.name for event in span.events] == ["admitted"]
    assert span.status.status_code is StatusCode.UNSET


async def test_a_request_without_a_trace_begins_one() -> None:
    edge = Edge()
    with collected_spans() as spans:
        await edge.client.post("/v1/listen", files=AUDIO)
        await edge.client.post("/v1/listen", files=AUDIO)
    first, second = spans.spans
    assert first.parent is second.parent is None
    assert trace_id_of(first) != trace_id_of(second)


async def test_who_is_refused_is_seen_with_the_reason() -> None:
    edge = Edge(max_requests=0)
    span = (await listened(edge)).named(NAME)
    attributes = dict(span.attributes or {})
    assert (attributes["http.response.status_code"], attributes["error.type"]) == (503, "overloaded")
    assert span.status.status_code is StatusCode.ERROR
    assert span.events == ()


@pytest.mark.parametrize(
    ("error", "type_", "status"),
    [
        (UnsupportedAudio("no audio"), "unsupported_audio", StatusCode.UNSET),
        (Overloaded("full"), "overloaded", StatusCode.ERROR),
        (ZeroDivisionError("some words"), None, StatusCode.ERROR),
    ],
)
async def test_what_fails_is_told_by_its_class(error: Exception, type_: str | None, status: StatusCode) -> None:
    edge = Edge()
    edge.pipeline.error = error
    spans = await listened(edge)
    assert spans.named(NAME).status.status_code is status
    assert spans.attribute(NAME, "error.type") == type_


async def test_nothing_that_a_client_sent_is_in_a_span() -> None:
    edge = Edge()
    with collected_spans() as spans:
        await edge.client.post("/v1/listen", files=AUDIO, headers=HEADERS | {"user-agent": "anna's phone"})
        await edge.client.post("/nowhere/anna", headers=HEADERS)
        await edge.client.post("/v1/listen", json={"url": "https://anna:secret@example.com/a.wav"}, headers=HEADERS)
    assert spans.names == [NAME, "POST", NAME]
    written = "".join(span.to_json() for span in spans.spans).lower()
    for secret in ("secret", "anna", "127.0.0.1", "hello"):
        assert secret not in written


@pytest.mark.parametrize("path", ["/health", "/healthz", "/api/v1/health", "/ws/health"])
async def test_probes_are_not_traced(path: str) -> None:
    with collected_spans() as spans:
        assert (await Edge().client.get(path)).status_code == 200
    assert spans.spans == []


async def test_a_socket_is_one_span_until_it_is_closed() -> None:
    edge = Edge()
    with collected_spans() as spans:
        socket = AsgiSocket(edge.app, "/waves/v1/pulse/get_text?language=en", {"traceparent": TRACEPARENT})
        socket.say({"type": "close_stream"})
        await socket.task
    [span] = spans.spans
    attributes = dict(span.attributes or {})
    assert trace_id_of(span) == TRACE_ID
    assert attributes["http.response.status_code"] == 101
    assert attributes["rayscribe.close_code"] == socket.close_code
