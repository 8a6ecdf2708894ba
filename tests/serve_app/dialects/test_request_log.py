from __future__ import annotations

import asyncio
import json
import logging
import uuid
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.serve.context import _get_serve_request_context
from starlette.types import Message, Receive, Scope, Send

from deployments.errors import AudioTooLong
from serve_app.request_log import RequestLog, is_token, this_request
from tests.fakes.asgi_call import asgi_call
from tests.fakes.edge import Edge
from tests.fakes.logs import kept_lines

pytestmark = pytest.mark.unit

AUDIO = b"audio"


def fields_of(line: logging.LogRecord) -> dict[str, Any]:
    names = ("event", "http_method", "http_route", "http_status", "dialect", "key", "audio_s", "job", "failure")
    return {name: getattr(line, name) for name in names if hasattr(line, name)}


def listen(edge: Edge, **headers: str) -> httpx.Request:
    return edge.client.build_request("POST", "/v1/listen?secret=1", files={"audio": AUDIO}, headers=headers)


async def test_a_request_has_one_id_and_one_line(edge: Edge) -> None:
    with kept_lines() as lines:
        answer = await edge.client.send(listen(edge, **{"x-request-id": "their-id.1"}))
    assert answer.json()["request_id"] == edge.pipeline.requests[0].request_id == "their-id.1"
    # Serve's proxy answers with it; a second header would make two ids of one.
    assert "x-request-id" not in answer.headers
    (line,) = lines
    assert fields_of(line) == {
        "event": "request",
        "http_method": "POST",
        "http_route": "/v1/listen",
        "http_status": 200,
        "dialect": "smallest_selfhost",
        "audio_s": 1.5,
    }
    assert line.getMessage().startswith("request http_method=POST http_route=/v1/listen http_status=200 seconds=")


@pytest.mark.parametrize("path", ["/v1/listen", "/stt", "/waves/v1/stt/?model=pulse-pro"])
async def test_each_dialect_answers_with_the_id_of_the_request(edge: Edge, path: str) -> None:
    files = {"audio": AUDIO} if "listen" in path else {"file": AUDIO}
    body: dict[str, Any] = {"content": AUDIO} if "waves" in path else {"files": files}
    answer = await edge.client.post(path, headers={"x-request-id": "one-id"}, **body)
    assert answer.status_code == 200, answer.text
    assert answer.json().get("request_id", "one-id") == edge.pipeline.requests[0].request_id == "one-id"


@pytest.mark.parametrize(
    "sent", ["", " ", "a b", "x" * 129, "id\u00e9", "https://user:word@host/a.wav", "ann@example.com", 'a"b', "a,b"]
)
async def test_an_id_that_is_no_token_is_replaced(edge: Edge, sent: str) -> None:
    with kept_lines() as lines:
        request = listen(edge)
        request.headers = httpx.Headers([*request.headers.raw, (b"x-request-id", sent.encode("latin-1"))])
        answer = await edge.client.send(request)
    ours = answer.json()["request_id"]
    assert str(uuid.UUID(ours)) == ours == answer.headers["x-request-id"]
    assert sent.strip() == "" or not any(sent in line.getMessage() for line in lines)


async def test_two_ids_are_none(edge: Edge) -> None:
    request = listen(edge)
    request.headers = httpx.Headers([*request.headers.multi_items(), ("x-request-id", "a"), ("x-request-id", "b")])
    assert (await edge.client.send(request)).json()["request_id"] not in ("a", "b", "a, b")


@given(st.text())
def test_what_is_a_token_can_be_in_a_log(text: str) -> None:
    if is_token(text):
        assert text.isascii()
        assert text.isprintable()
        assert 0 < len(text) <= 128
        assert not set(text) & set(" /:@?&%,;\"'\\")


@given(st.uuids())
def test_what_serve_makes_is_a_token(made: uuid.UUID) -> None:
    assert is_token(str(made))
    assert is_token(made.hex)


async def test_a_failure_is_named_and_says_nothing_else(edge: Edge) -> None:
    edge.pipeline.error = AudioTooLong(5.0)
    with kept_lines() as lines:
        assert (await edge.client.send(listen(edge))).status_code == 422
    assert fields_of(lines[-1]) == {
        "event": "request",
        "http_method": "POST",
        "http_route": "/v1/listen",
        "http_status": 422,
        "dialect": "smallest_selfhost",
        "failure": "audio_too_long",
    }


async def test_a_mistake_of_ours_has_the_same_id_as_its_request(edge: Edge) -> None:
    edge.pipeline.error = KeyError("what was said")
    with kept_lines() as lines:
        assert (await edge.client.send(listen(edge))).status_code == 500
    assert [(line.__dict__["event"], line.levelname) for line in lines] == [
        ("request failed", "ERROR"),
        ("request", "INFO"),
    ]
    assert fields_of(lines[1])["failure"] == "internal_error"


async def test_a_path_that_nobody_knows_is_not_in_the_log(edge: Edge) -> None:
    with kept_lines() as lines:
        await edge.client.get("/v1/a-name-in-a-path/and?a=query")
    assert fields_of(lines[0]) == {"event": "request", "http_method": "GET", "http_status": 404}


async def test_a_parameter_of_a_path_is_not_in_the_log(edge: Edge) -> None:
    with kept_lines() as lines:
        await edge.client.get("/v1/jobs/job_unknown")
    assert fields_of(lines[-1])["http_route"] == "/v1/jobs/{job_id}"
    assert not any("job_unknown" in line.getMessage() for line in lines)


@pytest.mark.parametrize("path", ["/health", "/healthz", "/api/v1/health", "/ws/health"])
async def test_probes_are_for_debug(edge: Edge, path: str) -> None:
    with kept_lines() as lines:
        await edge.client.get(path)
    assert [line.levelname for line in lines] == ["DEBUG"]


async def test_the_line_of_a_job_s_request_names_the_job(edge: Edge) -> None:
    answer = await edge.client.post(
        "/v1/listen", files={"audio": AUDIO}, data={"callback_url": "https://example.com/hook"}
    )
    assert edge.jobs.jobs[answer.json()["job_id"]].order.request.request_id


async def test_a_client_that_hangs_up_has_a_line(edge: Edge) -> None:
    edge.pipeline.gate.clear()
    with kept_lines() as lines:
        async with asgi_call(edge.app, listen(edge)) as call:
            await edge.pipeline.arrivals.acquire()
            call.task.cancel()
            await asyncio.gather(call.task, return_exceptions=True)
    assert fields_of(lines[-1])["http_status"] == 499
    assert fields_of(lines[-1])["failure"] == "cancelled"


async def test_serve_names_the_calls_of_stages_by_the_same_id() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend((_get_serve_request_context().request_id, this_request().request_id))

    async def nothing() -> Message:
        raise AssertionError

    async def ignored(message: Message) -> None:
        raise AssertionError

    scope = {"type": "http", "method": "GET", "headers": [(b"x-request-id", b"not a token")]}
    await asyncio.create_task(RequestLog(app)(scope, nothing, ignored))
    assert seen[0] == seen[1] == str(uuid.UUID(seen[0]))


async def test_the_handshake_of_a_socket_is_answered_with_its_id_and_its_end_has_a_line() -> None:
    sent: list[Message] = []
    messages = iter(({"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        this_request().dialect = "openai"
        await receive()
        await send({"type": "websocket.close", "code": 1000})

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "headers": [(b"x-request-id", b"their-id")]}
    with kept_lines() as lines:
        await asyncio.create_task(RequestLog(app)(scope, receive, send))
    assert sent[0]["headers"] == [(b"x-request-id", b"their-id")]
    fields = {name: lines[0].__dict__[name] for name in ("event", "http_status", "close_code", "dialect")}
    assert fields == {"event": "socket", "http_status": 101, "close_code": 1001, "dialect": "openai"}
    assert json.dumps(fields)
