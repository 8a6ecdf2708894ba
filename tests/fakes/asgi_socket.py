"""One socket to an app, from the other end of its ASGI interface: messages are seen as they are sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp

_PATIENCE_S = 20.0


class AsgiSocket:
    """A client that reads everything at once. ``messages`` holds what it got; ``close_code`` comes behind them."""

    def __init__(
        self, app: ASGIApp, url: str, headers: dict[str, str] | None = None, subprotocols: Sequence[str] = ()
    ) -> None:
        parts = urlsplit(url)
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            "subprotocols": list(subprotocols),
            "scheme": "ws",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "server": ("rayscribe", 80),
            "client": ("127.0.0.1", 1),
            "root_path": "",
            "extensions": {"websocket.http.response": {}},
        }
        self.messages: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self.status: int | None = None
        """Of an answer to the handshake; None after an upgrade."""
        self.subprotocol: str | None = None
        self._unread: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._sent.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.ensure_future(app(scope, self._sent.get, self._take))

    def say(self, message: dict[str, Any] | str | bytes) -> None:
        """Send an object as JSON, a text, or bytes."""
        if isinstance(message, bytes):
            self._sent.put_nowait({"type": "websocket.receive", "bytes": message})
        else:
            text = message if isinstance(message, str) else json.dumps(message)
            self._sent.put_nowait({"type": "websocket.receive", "text": text})

    def hang_up(self) -> None:
        """Be gone."""
        self._sent.put_nowait({"type": "websocket.disconnect", "code": 1006})

    async def read(self) -> dict[str, Any]:
        """The next message.

        Raises:
            EOFError: the socket is closed.
            TimeoutError: nothing comes.
        """
        async with asyncio.timeout(_PATIENCE_S):
            message = await self._unread.get()
        if message is None:
            raise EOFError
        return message

    async def read_until(self, kind: str) -> dict[str, Any]:
        """The next message of a type, and those before it go by."""
        while (message := await self.read()).get("type") != kind:
            pass
        return message

    async def rest(self) -> list[dict[str, Any]]:
        """What comes until the close."""
        messages = []
        with contextlib.suppress(EOFError):
            while True:
                messages.append(await self.read())
        return messages

    async def _take(self, message: Any) -> None:
        match message["type"]:
            case "websocket.accept":
                self.subprotocol = message.get("subprotocol")
            case "websocket.http.response.start":
                self.status = message["status"]
            case "websocket.http.response.body":
                self._keep(json.loads(message["body"]))
                self._unread.put_nowait(None)
            case "websocket.send":
                self._keep(json.loads(message["text"]))
            case "websocket.close":
                self.close_code = message["code"]
                self._unread.put_nowait(None)

    def _keep(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self._unread.put_nowait(message)


@contextlib.asynccontextmanager
async def asgi_socket(
    app: ASGIApp, url: str, headers: dict[str, str] | None = None, subprotocols: Sequence[str] = ()
) -> AsyncIterator[AsgiSocket]:
    """A socket that is cut at the end, where it is not closed."""
    socket = AsgiSocket(app, url, headers, subprotocols)
    try:
        yield socket
    finally:
        socket.hang_up()
        socket.task.cancel()
        await asyncio.gather(socket.task, return_exceptions=True)
