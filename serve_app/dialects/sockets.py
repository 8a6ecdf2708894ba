"""What every socket needs around its dialect: a door, tasks that end together, and an end that is told.

A connection goes through three stages.

* **The door.** The caller is admitted and the conversation prepared before the upgrade. An error there is an HTTP
  answer to the handshake in the dialect's form (401, 400, 503, …); Serve's proxy passes it on as it is. Errors that a
  dialect's clients expect as a message, and all of them where the server cannot answer a handshake (ASGI's
  ``websocket.http.response`` is an extension), are told after the upgrade instead.
* **The conversation.** One task hears the client, another tells what the session says. The first error in either ends
  both, and so does a client that vanishes: as a message of the server, or as a cancellation of the whole task.
* **The end.** Session and lease are let go first, then the last message is sent and the socket closed: a client that
  connects again on it does not find its own last session in the way. Before every close but a good one there is an
  error message in the dialect's words. socket_frames.py has the codes. Where it is this side that ends a session, the
  session's last words come first, and what the client says meanwhile is left out: it cannot know yet.

A dead peer is found by the server's own pings, after 40 s at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.datastructures import Headers, QueryParams
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from deployments import service_log as log
from deployments.errors import (
    GoingAway,
    IllegalMove,
    InvalidRequest,
    SessionIdle,
    SessionNotBegun,
)
from deployments.signals import failure_label
from serve_app.access.visit import Visit
from serve_app.dialects.dialect import visiting
from serve_app.dialects.errors import ErrorForm, error_response, named
from serve_app.dialects.message_size import check_size
from serve_app.dialects.socket_frames import Message, close, close_code, send, upgrade
from serve_app.live.contracts import LiveEvent, LiveOptions, LiveSession
from serve_app.request_log import this_request
from serve_app.services import Services

# A client that greets its user first, or waits for a button, begins sooner; until then the place is held for nothing.
_LATEST_START_S = 600.0
# For the last words of a session when this process is to stop: well within Serve's grace period.
_GOODBYE_S = 8.0


class Conversation(Protocol):
    """One connection's side of a dialect. It is told everything by turns of two tasks of one event loop.

    An InvalidRequest that ``hear`` raises is answered with the dialect's error message, and the conversation goes on;
    any other error ends it.
    """

    async def prepare(self) -> None:
        """Before the upgrade; an error is an HTTP answer. A session may be started here already."""
        ...

    async def greet(self) -> None:
        """After the upgrade, before anything is heard."""
        ...

    async def hear(self, message: str | bytes) -> None:
        """A message of the client: text, or binary."""
        ...

    async def tell(self, event: LiveEvent) -> None:
        """What the session says, in order."""
        ...


@dataclass(frozen=True, slots=True)
class SocketDialect:
    """How a dialect's sockets differ.

    Attributes:
        name: what leases and the ledger know it by.
        error_form: HTTP answer to a handshake.
        error_message: an error as a message; what it does not know tells nothing.
        conversation: made for each connection that was admitted.
        max_message_bytes: of a binary message, or of the UTF-8 of a text.
        told: errors of the door that are told after the upgrade.
        subprotocol: chosen where a client offers it: browsers close a socket when none of theirs was.
        takes_secrets: whether a client secret will do for a key.
    """

    name: str
    error_form: ErrorForm
    error_message: Callable[[Exception], Message]
    conversation: Callable[[Connection], Conversation]
    max_message_bytes: int
    told: tuple[type[Exception], ...] = ()
    subprotocol: str | None = None
    takes_secrets: bool = False


class Connection:
    """An admitted socket, as its conversation sees it."""

    def __init__(self, websocket: WebSocket, services: Services, visit: Visit, dialect: SocketDialect) -> None:
        self.services = services
        self.visit = visit
        self._websocket = websocket
        self._dialect = dialect
        self._loop = asyncio.get_running_loop()
        self._upgraded = asyncio.Event()
        self._over: asyncio.Future[tuple[Message, ...] | Exception] = self._loop.create_future()
        self._last: tuple[Message, ...] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._admitted_at_s = self._loop.time()
        self._has_begun = False
        self._has_session = False
        self._session: LiveSession | None = None
        self._is_leaving = False
        self._heard_at_s = self._loop.time()

    @property
    def query(self) -> QueryParams:
        """The query string of the handshake."""
        return self._websocket.query_params

    @property
    def headers(self) -> Headers:
        """Those of the handshake."""
        return self._websocket.headers

    @property
    def subprotocols(self) -> list[str]:
        """Those that the client offers."""
        return list(self._websocket.scope.get("subprotocols", ()))

    async def start(self, options: LiveOptions) -> LiveSession:
        """Open a session; from now on, the conversation is told its events. There may be another when one has ended.

        Raises:
            IllegalMove: the last one has not.
            RayscribeError: see LiveService.open, and Access.check_again where the handshake was long ago.
        """
        if self._has_session:
            raise IllegalMove("open", "start a session")
        if self._loop.time() > self._admitted_at_s + self.services.settings.access.key_cache_s:
            await self.services.access.check_again(self.visit)
        self._has_session = True
        opened: asyncio.Future[LiveSession] = self._loop.create_future()
        self._own(self._follow(options, opened))
        session = await opened
        self._has_begun = True
        return session

    async def send(self, message: Message) -> None:
        """Send a message now."""
        await send(self._websocket, message)

    def finish(self, *messages: Message) -> None:
        """The conversation is over, and these are its last messages.

        For ``tell`` on SessionEnded, or where there is no session: one that goes on is waited for.
        """
        self._last = messages
        if not self._has_session:
            self._end(messages)

    async def run(self, conversation: Conversation) -> tuple[Message, ...]:
        """Lead the conversation; the result is what to say last.

        Raises:
            WebSocketDisconnect: the client is gone.
            Exception: whatever ended the conversation.
        """
        self._conversation = conversation
        try:
            await conversation.prepare()
            await upgrade(self._websocket, self._dialect.subprotocol)
            self._upgraded.set()
            await conversation.greet()
            self._heard_at_s = self._loop.time()
            self._own(self._hear())
            self._own(self._watch())
            self._own(self._watch_beginning())
            self._own(self._leave_in_time())
            end = await self._over
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if isinstance(end, Exception):
            raise end
        return end

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                self._end(error)

        self._tasks.append(asyncio.create_task(guarded()))

    def _end(self, outcome: tuple[Message, ...] | Exception) -> None:
        # The first reason counts: the others follow from it.
        if not self._over.done():
            self._over.set_result(outcome)

    async def _follow(self, options: LiveOptions, opened: asyncio.Future[LiveSession]) -> None:
        """A session's whole life in one task: what it opens may be bound to the task."""
        try:
            async with self.services.live.open(self.visit, options) as session:
                self._session = session
                if not opened.done():
                    opened.set_result(session)
                await self._upgraded.wait()
                async for event in session.events():
                    await self._conversation.tell(event)
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)
        finally:
            self._has_session = False
            self._session = None
            self._heard_at_s = self._loop.time()
        if self._last is not None:
            self._end(self._last)

    async def _hear(self) -> None:
        while True:
            received = await self._websocket.receive()
            if received["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(received.get("code", 1005))
            self._heard_at_s = self._loop.time()
            if self._is_leaving:
                continue
            text = received.get("text")
            message: str | bytes = received["bytes"] if text is None else text
            check_size(message, self._dialect.max_message_bytes)
            try:
                await self._conversation.hear(message)
            except Exception as error:
                if not isinstance(named(error), InvalidRequest):
                    raise
                await self.send(self._dialect.error_message(named(error)))

    async def _watch(self) -> None:
        """When nothing comes any more, end what there is: any message says that somebody is there."""
        limit_s = self.services.settings.live.idle_timeout_s
        while True:
            await asyncio.sleep(self._heard_at_s + limit_s - self._loop.time())
            if self._loop.time() >= self._heard_at_s + limit_s:
                self._leave(SessionIdle(limit_s))
                # What the session still has to say takes its time.
                self._heard_at_s = self._loop.time()

    async def _watch_beginning(self) -> None:
        """A client that says something now and then, and never begins, does not keep its place."""
        await asyncio.sleep(self._admitted_at_s + _LATEST_START_S - self._loop.time())
        if not self._has_begun:
            raise SessionNotBegun(_LATEST_START_S)

    async def _leave_in_time(self) -> None:
        """When this process is to stop, end what there is, in bounded time."""
        await self.services.draining.wait()
        reason = GoingAway("This server is going away; connect again", 1.0)
        self._leave(reason)
        await asyncio.sleep(_GOODBYE_S)
        raise reason

    def _leave(self, reason: Exception) -> None:
        """End the session, which says its last words and then why; without one, the connection."""
        if self._session is None:
            raise reason
        self._is_leaving = True
        self._session.close_for(reason)


async def converse(websocket: WebSocket, services: Services, dialect: SocketDialect) -> None:
    """Answer a socket from its handshake to its end."""
    try:
        async with visiting(websocket, services, dialect.name, takes_secrets=dialect.takes_secrets) as visit:
            connection = Connection(websocket, services, visit, dialect)
            last = await connection.run(dialect.conversation(connection))
        await close(websocket, last, 1000)
    except WebSocketDisconnect:
        return
    except Exception as error:
        await _refuse(websocket, dialect, named(error))


async def _refuse(websocket: WebSocket, dialect: SocketDialect, error: Exception) -> None:
    try:
        if websocket.application_state is WebSocketState.CONNECTING:
            can_answer = "websocket.http.response" in websocket.scope.get("extensions", {})
            if can_answer and not isinstance(error, dialect.told):
                await websocket.send_denial_response(error_response(error, dialect.error_form))
                return
            await upgrade(websocket, dialect.subprotocol)
        this_request().failure = failure_label(error)
        code = close_code(error)
        if code == 1011:
            log.error("live connection failed", error)
        await close(websocket, (dialect.error_message(error),), code)
    except WebSocketDisconnect:
        return
