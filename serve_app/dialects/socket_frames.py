"""What goes out on a socket: every frame in bounded time, and every close with a code that says why.

====  =======================================================================================================
1000  the conversation came to its end
1003  the audio cannot be decoded
1008  policy: no good key, a limit of the plan, no credits; too fast, too long or idle; a wrong parameter
1009  a message larger than the dialect takes, or of too many values (told), or over the server's 16 MiB (not told)
1011  our fault
1012  this process stops (an update, fewer replicas): connect again; what was said has been answered
1013  try again later: the service is full, or has lost a part
====  =======================================================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from deployments.errors import (
    AccessDenied,
    AudioRejected,
    GoingAway,
    InvalidRequest,
    MessageTooLarge,
    ServiceUnavailable,
    SessionLimit,
    TooManyRequests,
)

# A client that takes nothing for so long is as good as gone, where the server lets a send wait for it. Behind Serve no
# send waits: messages pile up with the proxy, whose pings end such a client.
_SEND_TIMEOUT_S = 10.0

Message = dict[str, Any]
"""What is sent, as JSON in a text frame."""


async def close(websocket: WebSocket, messages: tuple[Message, ...], code: int) -> None:
    """Say the last messages, and close.

    Raises:
        WebSocketDisconnect: nobody is there.
    """
    for message in messages:
        await send(websocket, message)
    async with _while_read():
        await websocket.close(code)


async def upgrade(websocket: WebSocket, subprotocol: str | None) -> None:
    """Accept the handshake; the subprotocol is chosen where it was offered.

    Raises:
        WebSocketDisconnect: nobody is there.
    """
    offered = websocket.scope.get("subprotocols", ())
    async with _while_read():
        await websocket.accept(subprotocol if subprotocol in offered else None)


async def send(websocket: WebSocket, message: Message) -> None:
    """Send a message.

    Raises:
        WebSocketDisconnect: nobody is there, or reads.
    """
    async with _while_read():
        await websocket.send_json(message)


@contextlib.asynccontextmanager
async def _while_read() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_SEND_TIMEOUT_S):
            yield
    except OSError:
        # TimeoutError is one; uvicorn raises one where the client is gone.
        raise WebSocketDisconnect(1006) from None


def close_code(error: Exception) -> int:
    """See the module's table."""
    match error:
        case MessageTooLarge():
            return 1009
        case AudioRejected():
            return 1003
        case InvalidRequest() | AccessDenied() | TooManyRequests() | SessionLimit():
            return 1008
        case GoingAway():
            return 1012
        case ServiceUnavailable():
            return 1013
        case _:
            return 1011
