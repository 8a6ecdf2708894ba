"""A dialect that says as little as possible, for what holds for the sockets of every dialect."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, WebSocket

from deployments.errors import ConcurrencyLimitReached, InvalidParameter
from serve_app.dialects.smallest_waves_errors import error_body
from serve_app.dialects.sockets import Connection, SocketDialect, converse
from serve_app.live.contracts import LiveEvent, LiveOptions, LiveSession, SessionEnded
from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge
from tests.fakes.live import FakeLiveSession


class Talk:
    """Obeys its client: "start", "close", "finish", "wrong", "broken"; binary messages are audio."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.session: LiveSession | None = None

    async def prepare(self) -> None:
        if "wrong" in self.connection.query:
            raise InvalidParameter("wrong", "is wrong")
        if "start" in self.connection.query:
            await self.start()

    async def greet(self) -> None:
        await self.connection.send({"type": "hello"})

    async def start(self) -> None:
        self.session = await self.connection.start(LiveOptions("request-1"))

    async def hear(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            assert self.session
            await self.session.feed(message)
            return
        match message:
            case "start":
                await self.start()
            case "close":
                assert self.session
                await self.session.close()
            case "finish":
                self.connection.finish({"type": "bye"})
            case "wrong":
                raise InvalidParameter("message", "is wrong")
            case "broken":
                raise ZeroDivisionError
        await self.connection.send({"type": "done"})

    async def tell(self, event: LiveEvent) -> None:
        if not isinstance(event, SessionEnded):
            await self.connection.send({"type": type(event).__name__})
        elif "again" in self.connection.query:
            await self.connection.send({"type": "ended"})
        else:
            self.connection.finish({"type": "bye"})


def error_message(error: Exception) -> dict[str, Any]:
    return {"type": "error", "kind": type(error).__name__}


TALK = SocketDialect("talk", error_body, error_message, Talk, 1000, told=(ConcurrencyLimitReached,))


def app_of(edge: Edge) -> FastAPI:
    app = FastAPI()

    @app.websocket("/talk")
    async def talk(websocket: WebSocket) -> None:
        await converse(websocket, edge.app.state.services, TALK)

    return app


@contextlib.asynccontextmanager
async def talking(edge: Edge, query: str = "") -> AsyncIterator[AsgiSocket]:
    async with asgi_socket(app_of(edge), f"/talk?{query}") as socket:
        yield socket


def session_of(edge: Edge) -> FakeLiveSession:
    return edge.live.sessions[-1]
