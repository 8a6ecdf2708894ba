"""What the tests of Smallest's live sessions send, and what their sessions say."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from deployments.contracts import Word
from serve_app.live.contracts import Final
from tests.fakes.asgi_socket import asgi_socket
from tests.fakes.edge import Edge

PATH = "/waves/v1/stt/live"
FINALIZE = {"type": "finalize"}
CLOSE = {"type": "close_stream"}
FINAL = Final(1, "Yes.", (Word("Yes.", 1.0, 1.3, 0.7),), 1.0, 1.3, "en")


def url_of(path: str = PATH, **query: str) -> str:
    return f"{path}?{urlencode({'model': 'pulse', **query})}"


async def said(edge: Edge, *messages: Any, path: str = PATH, **query: str) -> list[dict[str, Any]]:
    """Everything a session says to a client that says the messages and waits for the end."""
    async with asgi_socket(edge.app, url_of(path, **query)) as socket:
        for message in messages:
            socket.say(message)
        answers = await socket.rest()
    assert (socket.status, socket.close_code) == (None, 1000)
    return answers


async def refused(edge: Edge, **query: str) -> tuple[int | None, dict[str, Any]]:
    """The answer to the handshake."""
    async with asgi_socket(edge.app, f"{PATH}?{urlencode(query)}") as socket:
        bodies = await socket.rest()
    return socket.status, bodies[0]
