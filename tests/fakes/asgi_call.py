"""One request to an app, from the other end of its ASGI interface: answers are seen as they are sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI


class AsgiCall:
    """Messages wait in ``sent``; the client reads while ``reading`` is set, and hangs up by ``hang_up``.

    Servers differ in what a closed connection does to what is sent: nothing, or, where ``breaks`` is set, an OSError.
    """

    def __init__(self, app: FastAPI, request: httpx.Request) -> None:
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reading = asyncio.Event()
        self.reading.set()
        self.breaks = False
        self._body: list[bytes] = [request.read()]
        self._gone = asyncio.Event()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": "http",
            "path": request.url.path,
            "raw_path": request.url.raw_path,
            "query_string": request.url.query,
            "server": ("rayscribe", 80),
            "client": ("127.0.0.1", 1),
            "root_path": "",
        }
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    def hang_up(self) -> None:
        """What a closed connection looks like to the app."""
        self._gone.set()

    async def status(self) -> int:
        """Of the answer, when it has begun."""
        message = await self.sent.get()
        return int(message["status"])

    async def chunk(self) -> str:
        """The next part of the answer."""
        message = await self.sent.get()
        return bytes(message["body"]).decode()

    async def _receive(self) -> dict[str, Any]:
        if self._body:
            return {"type": "http.request", "body": self._body.pop(), "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.reading.wait()
        if self.breaks:
            raise OSError("Connection lost")
        self.sent.put_nowait(message)


@contextlib.asynccontextmanager
async def asgi_call(app: FastAPI, request: httpx.Request) -> AsyncIterator[AsgiCall]:
    """A call that is cancelled at the end, where it has not ended."""
    call = AsgiCall(app, request)
    try:
        yield call
    finally:
        call.task.cancel()
        await asyncio.gather(call.task, return_exceptions=True)
