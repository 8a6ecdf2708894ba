"""Refusals that come before the request was read to its end, told so that the client can hear them."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

# As web servers do (nginx: lingering_close), for as long as an upload of some minutes of audio takes.
_LINGER_S = 5.0
_LINGER_BYTES = 32 * 1024 * 1024
# Each holds one of the replica's places at Serve, also for somebody without a key who sends nothing more.
_LINGERING_AT_MOST = 32

_lingering = 0


class Refusal(Response):
    """An answer after which the rest of the request is taken and thrown away, for a while, before the connection ends.

    Where many do so already, it ends at once.

    A server that closes while its client still sends resets the connection, and a client that finds it reset may never
    look at the answer: httpx's asynchronous client lost 23 of 40 refusals of 130 kB, and 34 of 40 of 2 MB.
    """

    def __init__(self, answer: Response, request: Request) -> None:
        """``answer`` is what is said; ``request`` is the object that the body was read from so far, if it was."""
        super().__init__(answer.body, answer.status_code)
        self.raw_headers = answer.raw_headers
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI asks for them
        """All of the answer is sent at once; only its end waits."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await self._hear_out()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _hear_out(self) -> None:
        global _lingering  # of this process' event loop, as the places are
        if _lingering >= _LINGERING_AT_MOST:
            return
        _lingering += 1
        try:
            # RuntimeError is what Starlette raises where all of the body has been read.
            with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):
                async with asyncio.timeout(_LINGER_S):
                    await self._throw_away()
        finally:
            _lingering -= 1

    async def _throw_away(self) -> None:
        left = _LINGER_BYTES
        async for chunk in self._request.stream():
            left -= len(chunk)
            if left < 0:
                return
