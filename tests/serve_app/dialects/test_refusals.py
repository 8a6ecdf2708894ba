"""A refusal is heard by clients that are still sending, and nobody may go on sending for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request

from deployments.errors import AudioTooLarge, Overloaded
from serve_app.dialects.errors import route_class
from tests.fakes.virtual_time import run_virtually

pytestmark = pytest.mark.unit

Message = MutableMapping[str, Any]
CHUNK = bytes(1024 * 1024)


def app(read_first: int) -> FastAPI:
    """An app that refuses after it has read so many chunks; -1: all."""
    router = APIRouter(route_class=route_class(lambda error: (503, {"error": str(error)})))

    @router.post("/upload")
    async def upload(request: Request) -> None:
        chunks = 0
        async for _ in request.stream():
            chunks += 1
            if chunks == read_first:
                break
        raise Overloaded("full")

    @router.post("/large")
    async def large(request: Request) -> None:
        raise AudioTooLarge(1)

    @router.post("/door")
    async def door(request: Request) -> None:
        raise Overloaded("full")

    made = FastAPI()
    made.include_router(router)
    return made


class Caller:
    """Sends chunks and hears the answer; ``events`` is what happened in which order."""

    def __init__(self, chunks: Iterator[bytes], *, then_hangs: bool = False) -> None:
        self._chunks = chunks
        self._then_hangs = then_hangs
        self._is_done = False
        self.sent = 0
        self.events: list[str] = []

    async def call(self, served: FastAPI, path: str) -> None:
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "headers": [(b"host", b"rayscribe")],
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "server": ("rayscribe", 80),
            "client": ("127.0.0.1", 1),
            "root_path": "",
        }
        await served(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        chunk = next(self._chunks, None)
        if chunk is not None:
            self.sent += 1
            return {"type": "http.request", "body": chunk, "more_body": True}
        if self._then_hangs or self._is_done:
            # A server has nothing more to say of a request until its client goes.
            await asyncio.Event().wait()
        self._is_done = True
        self.events.append("all sent")
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            assert headers[b"connection"] == b"close"
            self.events.append(str(message["status"]))
        else:
            self.events.append("end" if not message.get("more_body") else message["body"].decode())


def heard(caller: Caller, path: str, read_first: int = 1) -> list[str]:
    run_virtually(lambda: caller.call(app(read_first), path))
    return caller.events


ANSWER = ["503", '{"error":"full"}']


@pytest.mark.parametrize("path", ["/door", "/upload"])
def test_the_answer_comes_at_once_and_the_connection_ends_when_all_was_sent(path: str) -> None:
    assert heard(Caller(iter([CHUNK] * 3)), path) == [*ANSWER, "all sent", "end"]


def test_nothing_is_waited_for_where_all_was_read() -> None:
    assert heard(Caller(iter([CHUNK] * 3)), "/upload", read_first=-1) == ["all sent", *ANSWER, "end"]


def test_what_is_too_large_is_not_heard_out() -> None:
    caller = Caller(iter([CHUNK] * 3))
    assert heard(caller, "/large")[-1] != "all sent"
    assert caller.sent == 0


def test_a_caller_who_sends_nothing_more_is_not_waited_for_long() -> None:
    assert heard(Caller(iter([CHUNK]), then_hangs=True), "/door") == [*ANSWER, "end"]


def test_a_caller_who_sends_for_ever_is_not_heard_for_ever() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield CHUNK

    caller = Caller(endless())
    assert heard(caller, "/door") == [*ANSWER, "end"]
    assert caller.sent <= 40


def test_of_many_who_send_nothing_more_few_are_waited_for() -> None:
    async def crowd() -> tuple[list[Caller], int]:
        served = app(1)
        callers = [Caller(iter([CHUNK]), then_hangs=True) for _ in range(100)]
        calls = [asyncio.create_task(caller.call(served, "/door")) for caller in callers]
        await asyncio.sleep(0.1)
        at_once = sum(call.done() for call in calls)
        await asyncio.gather(*calls)
        return callers, at_once

    callers, at_once = run_virtually(crowd)
    assert at_once == 68
    assert all(caller.events == [*ANSWER, "end"] for caller in callers)
    # Places are free again.
    assert heard(Caller(iter([CHUNK] * 3)), "/door") == [*ANSWER, "all sent", "end"]
