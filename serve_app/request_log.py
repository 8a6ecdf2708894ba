"""One id and one line for each request and each socket (docs/logs.md).

The id is the one that Serve's proxy answers with in ``X-Request-ID``: the client's own, where it is a token fit for a
log, or a new one. Dialects that have a field for it use the same, and so do the lines of every stage that works for it.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from contextvars import ContextVar
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments import service_log as log
from deployments.signals import failure_label
from serve_app.cluster import adopt_request_id

PROBES = frozenset({"/health", "/healthz", "/api/v1/health", "/ws/health"})
"""They come every few seconds, for ever."""

_HEADER = "x-request-id"
_TOKEN = re.compile(r"[A-Za-z0-9._=-]{1,128}")
_UPGRADED = 101
_HUNG_UP = 499


@dataclass(slots=True)
class RequestNotes:
    """What is known of a request so far; whoever learns something writes it down here.

    ``key`` is the id of a key, ``charge`` the id of a row in the ledger, and ``failure`` an error by its class.
    """

    request_id: str
    dialect: str | None = None
    key: str | None = None
    audio_s: float | None = None
    job: str | None = None
    session: str | None = None
    charge: str | None = None
    failure: str | None = None


_in_hand: ContextVar[RequestNotes | None] = ContextVar("request_notes", default=None)


def this_request() -> RequestNotes:
    """The notes of the request that this task works for; outside of any, notes that nobody reads."""
    return _in_hand.get() or RequestNotes(str(uuid.uuid4()))


def is_token(text: str) -> bool:
    """Whether an id that somebody sent may be in a log: short, printable, and one word. URLs and addresses are not."""
    return _TOKEN.fullmatch(text) is not None


class RequestLog:
    """ASGI middleware: names every request, and tells of it when it is over."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the module."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        _in_hand.set(exchange.notes)
        adopt_request_id(exchange.notes.request_id)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.notes.failure = exchange.notes.failure or failure_label(error)
            exchange.status = exchange.status or (_HUNG_UP if isinstance(error, asyncio.CancelledError) else 500)
            raise
        finally:
            exchange.tell()


class _Exchange:
    """What passes between a client and the app."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        offered = Headers(scope=scope).getlist(_HEADER)
        # Of two, nobody knows which one the others take.
        self._is_offered = len(offered) == 1 and is_token(offered[0])
        self.notes = RequestNotes(offered[0] if self._is_offered else str(uuid.uuid4()))
        self.status: int | None = None
        self._close_code: int | None = None
        self._scope = scope
        self._receive = receive
        self._send = send
        self._begun_s = time.monotonic()

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._closed(message.get("code", 1005))
        return message

    async def send(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                self.status = message["status"]
                # Serve's proxy answers an upload with what it was sent or made itself, and a socket with nothing.
                if not self._is_offered or self._scope["type"] == "websocket":
                    MutableHeaders(scope=message).append(_HEADER, self.notes.request_id)
            case "websocket.accept":
                self.status = _UPGRADED
                message.setdefault("headers", [])
                MutableHeaders(scope=message).append(_HEADER, self.notes.request_id)
            case "websocket.close":
                self._closed(message.get("code", 1000))
        await self._send(message)

    def tell(self) -> None:
        """One line; called once, at the end."""
        notes = self.notes
        is_socket = self._scope["type"] == "websocket"
        route = getattr(self._scope.get("route"), "path", None)
        tell = log.debug if route in PROBES else log.info
        tell(
            "socket" if is_socket else "request",
            http_method=None if is_socket else self._scope["method"],
            # The pattern: the path itself may be anything, and what was asked for beside it, too.
            http_route=route,
            http_status=self.status,
            close_code=self._close_code,
            seconds=round(time.monotonic() - self._begun_s, 3),
            audio_s=None if notes.audio_s is None else round(notes.audio_s, 3),
            dialect=notes.dialect,
            key=notes.key,
            job=notes.job,
            charge=notes.charge,
            failure=notes.failure,
        )

    def _closed(self, code: int) -> None:
        # The first side to close says why.
        if self._close_code is None:
            self._close_code = code
