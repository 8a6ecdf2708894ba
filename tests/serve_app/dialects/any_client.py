"""A client that says anything, and then nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serve_app.settings import LiveSettings, Settings
from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge

_IDLE_S = 2.0


async def heard_out(url: str, greeting: str, messages: Sequence[dict[str, Any] | str | bytes]) -> AsgiSocket:
    """Its socket when the service has closed it, with nothing left behind; in virtual time.

    The message with the type ``greeting`` is what the service says first of all.
    """
    edge = Edge(settings=Settings(live=LiveSettings(idle_timeout_s=_IDLE_S)))
    async with asgi_socket(edge.app, url) as socket:
        for message in messages:
            socket.say(message)
        await socket.read_until(greeting)
        await socket.rest()
        await socket.task
    assert all(session.left for session in edge.live.sessions)
    assert edge.access.visitors == 0
    return socket
