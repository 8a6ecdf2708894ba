"""What holds for the sockets of every dialect, shown with one that says as little as possible."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Scope, Send

from deployments.errors import (
    AudioTooLarge,
    ClientTooFast,
    ConcurrencyLimitReached,
    IllegalMove,
    InsufficientCredits,
    InvalidParameter,
    MessageTooLarge,
    Overloaded,
    RateLimitReached,
    ServiceUnavailable,
    SessionIdle,
    StageLost,
    Unauthenticated,
    UnsupportedAudio,
)
from serve_app.access.visit import Visit
from serve_app.dialects.smallest_waves_errors import error_body
from serve_app.dialects.socket_frames import close_code
from serve_app.dialects.sockets import Connection, SocketDialect, converse
from serve_app.live.contracts import LiveEvent, LiveOptions, LiveSession, SessionEnded
from serve_app.services import Services
from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge, FakeAccess
from tests.fakes.live import FakeLiveService, FakeLiveSession, LiveScript
from tests.fakes.virtual_time import run_virtually

pytestmark = pytest.mark.unit

ENDED = SessionEnded(1.0, 1.0)


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


def virtually(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """A test whose timers take no time."""

    def run() -> None:
        run_virtually(test)

    run.__name__ = test.__name__
    return run


def session_of(edge: Edge) -> FakeLiveSession:
    return edge.live.sessions[-1]


async def test_a_conversation_ends_well(edge: Edge) -> None:
    async with talking(edge, "start") as socket:
        socket.say(b"audio")
        socket.say("close")
        said = [message["type"] for message in await socket.rest()]
    assert said[0] == "hello"
    assert said[-1] == "bye"
    assert {"SpeechStarted", "Partial", "Final", "done"} <= set(said)
    assert socket.close_code == 1000
    assert session_of(edge).left
    assert edge.access.dialects == ["talk"]


@pytest.mark.parametrize(
    ("error", "status"), [(Unauthenticated(True), 401), (RateLimitReached(1, 1), 429), (Overloaded("full"), 503)]
)
async def test_a_refusal_is_an_answer_to_the_handshake(edge: Edge, error: Any, status: int) -> None:
    edge.access.error = error
    async with talking(edge) as socket:
        body = (await socket.rest())[0]
    assert (socket.status, socket.close_code) == (status, None)
    assert body["message"]


async def test_what_prepare_finds_wrong_is_one_too(edge: Edge) -> None:
    edge.live.error = Overloaded("full")
    for query, status in (("wrong", 400), ("start", 503)):
        async with talking(edge, query) as socket:
            await socket.rest()
        assert socket.status == status
    assert edge.access.visitors == 0


async def test_a_dialect_may_tell_it_after_the_upgrade(edge: Edge) -> None:
    edge.access.error = ConcurrencyLimitReached(1, 1)
    async with talking(edge) as socket:
        assert await socket.rest() == [{"type": "error", "kind": "ConcurrencyLimitReached"}]
    assert (socket.status, socket.close_code) == (None, 1008)


async def test_a_server_that_cannot_answer_a_handshake_upgrades_it(edge: Edge) -> None:
    edge.access.error = Unauthenticated(True)
    app = app_of(edge)

    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "extensions": {}}, receive, send)

    async with asgi_socket(plain, "/talk") as socket:
        assert await socket.rest() == [{"type": "error", "kind": "Unauthenticated"}]
    assert (socket.status, socket.close_code) == (None, 1008)


async def test_a_service_without_live_transcription_says_so(edge: Edge) -> None:
    async def talk(websocket: WebSocket) -> None:
        services: Services = edge.app.state.services
        without = Services(
            **{name: getattr(services, name) for name in Services.__dataclass_fields__ if name != "live"}
        )
        await converse(websocket, without, TALK)

    app = FastAPI()
    app.websocket("/talk")(talk)
    async with asgi_socket(app, "/talk?start") as socket:
        await socket.rest()
    assert socket.status == 503


async def test_a_wrong_message_is_told_and_the_conversation_goes_on(edge: Edge) -> None:
    async with talking(edge) as socket:
        for message in ("wrong", "finish"):
            socket.say(message)
        assert [message["type"] for message in await socket.rest()] == ["hello", "error", "done", "bye"]
    assert socket.close_code == 1000


async def test_our_fault_is_told_without_its_text_and_logged(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    async with talking(edge, "start") as socket:
        socket.say("broken")
        assert (await socket.rest())[-1] == {"type": "error", "kind": "ZeroDivisionError"}
    assert socket.close_code == 1011
    assert session_of(edge).left
    assert "live connection failed" in caplog.text


async def test_what_the_session_dies_of_is_told(edge: Edge) -> None:
    async with talking(edge, "start") as socket:
        assert (await socket.read())["type"] == "hello"
        session_of(edge).say(StageLost("A stage was lost"))
        assert await socket.rest() == [{"type": "error", "kind": "StageLost"}]
    assert socket.close_code == 1013


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnsupportedAudio("noise"), 1003),
        (AudioTooLarge(1), 1003),
        (Unauthenticated(False), 1008),
        (InsufficientCredits(), 1008),
        (ConcurrencyLimitReached(1, 1), 1008),
        (ClientTooFast(30), 1008),
        (SessionIdle(60), 1008),
        (InvalidParameter("a", "b"), 1008),
        (IllegalMove("open", "start"), 1008),
        (MessageTooLarge(1), 1009),
        (RuntimeError(), 1011),
        (ServiceUnavailable("later"), 1013),
    ],
)
def test_the_table_of_close_codes(error: Exception, code: int) -> None:
    assert close_code(error) == code


@pytest.mark.parametrize("message", [b"x" * 1001, "x" * 1001, "é" * 501])
async def test_large_messages_end_it(edge: Edge, message: str | bytes) -> None:
    async with talking(edge, "start") as socket:
        socket.say(message)
        assert (await socket.rest())[-1] == {"type": "error", "kind": "MessageTooLarge"}
    assert socket.close_code == 1009
    assert session_of(edge).messages == []


async def test_messages_up_to_the_limit_are_taken(edge: Edge) -> None:
    async with talking(edge, "start") as socket:
        socket.say(b"x" * 1000)
        await socket.read_until("Final")
    assert session_of(edge).messages == [b"x" * 1000]


@pytest.mark.parametrize("way", ["message", "cancellation"])
async def test_a_client_that_vanishes_frees_everything(edge: Edge, way: str) -> None:
    async with talking(edge, "start") as socket:
        socket.say(b"audio")
        await socket.read_until("Final")
        assert (edge.access.visitors, session_of(edge).left) == (1, False)
        if way == "message":
            socket.hang_up()
        else:
            socket.task.cancel()
        await asyncio.wait([socket.task])
        assert (edge.access.visitors, session_of(edge).left) == (0, True)
        assert socket.task.cancelled() == (way == "cancellation")
    assert socket.close_code is None


class Deaf(AsgiSocket):
    """Takes nothing after the greeting."""

    async def _take(self, message: AsgiMessage) -> None:
        if self.messages:
            await asyncio.Event().wait()
        await super()._take(message)


@virtually
async def test_a_client_that_does_not_read_is_given_up() -> None:
    edge = Edge()
    started_s = asyncio.get_running_loop().time()
    socket = Deaf(app_of(edge), "/talk?start")
    socket.say(b"audio")
    await socket.task
    assert 5 < asyncio.get_running_loop().time() - started_s < 30
    assert (edge.access.visitors, session_of(edge).left) == (0, True)


@virtually
async def test_a_connection_without_a_session_ends_when_nothing_comes() -> None:
    edge = Edge()
    limit_s = edge.settings.live.idle_timeout_s
    socket = AsgiSocket(app_of(edge), "/talk?again")
    # A session that is open knows by itself how long it has been idle.
    socket.say("start")
    await asyncio.sleep(10 * limit_s)
    assert socket.close_code is None
    socket.say("close")
    await asyncio.sleep(limit_s - 1)
    assert socket.close_code is None
    await asyncio.sleep(limit_s + 1)
    assert (await socket.rest())[-1] == {"type": "error", "kind": "SessionIdle"}
    assert socket.close_code == 1008


async def test_sessions_come_one_after_the_other(edge: Edge) -> None:
    async with talking(edge, "again") as socket:
        for message in ("start", "start"):
            socket.say(message)
        assert (await socket.read_until("error"))["kind"] == "IllegalMove"
        socket.say("close")
        await socket.read_until("ended")
        socket.say("start")
        socket.say("finish")
        await socket.read_until("done")
        socket.say("close")
    assert [session.left for session in edge.live.sessions] == [True, True]


class SlowToLeave(FakeLiveService):
    """Sessions that are metered when they are left, which takes a while, or fails."""

    metered = False
    failure: Exception | None = None

    @contextlib.asynccontextmanager
    async def open(self, visit: Visit, options: LiveOptions) -> AsyncIterator[FakeLiveSession]:
        async with super().open(visit, options) as session:
            yield session
            await asyncio.sleep(3)
            if self.failure:
                raise self.failure
            self.metered = True


@virtually
async def test_the_end_is_told_when_session_and_lease_are_let_go() -> None:
    live = SlowToLeave(LiveScript(after_messages={}))
    edge = Edge(live=live)
    app = app_of(edge)
    seen = []

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: AsgiMessage) -> None:
            seen.append((message["type"], live.metered, edge.access.visitors))
            await send(message)

        await app(scope, receive, noting)

    socket = AsgiSocket(watched, "/talk?start")
    socket.say("close")
    await socket.task
    assert socket.messages[-1] == {"type": "bye"}
    assert seen[-2:] == [("websocket.send", True, 0), ("websocket.close", True, 0)]
    assert seen[-3] == ("websocket.send", False, 1)


@virtually
async def test_what_cannot_be_metered_does_not_end_well() -> None:
    live = SlowToLeave(LiveScript(after_messages={}))
    live.failure = ServiceUnavailable("The ledger does not answer")
    socket = AsgiSocket(app_of(Edge(live=live)), "/talk?start")
    socket.say("close")
    await socket.task
    assert socket.messages[-1] == {"type": "error", "kind": "ServiceUnavailable"}
    assert socket.close_code == 1013


class LosesLeases(FakeAccess):
    """Cancels whoever is inside after a minute, as the real one does when a lease is lost."""

    @contextlib.asynccontextmanager
    async def admitted(
        self, credential: str | None, dialect: str, *, takes_secrets: bool = False
    ) -> AsyncIterator[Visit]:
        async with super().admitted(credential, dialect, takes_secrets=takes_secrets) as visit:
            try:
                async with asyncio.timeout(60):
                    yield visit
            except TimeoutError:
                raise ServiceUnavailable("The lease was lost") from None


@virtually
async def test_a_lost_lease_ends_the_conversation() -> None:
    edge = Edge(access=LosesLeases())
    socket = AsgiSocket(app_of(edge), "/talk?start")
    await socket.task
    assert socket.messages[-1] == {"type": "error", "kind": "ServiceUnavailable"}
    assert socket.close_code == 1013
    assert session_of(edge).left


async def test_sockets_and_requests_are_counted_apart() -> None:
    edge = Edge(max_requests=1)
    async with talking(edge) as first, talking(edge) as second:
        assert [(await socket.read())["type"] for socket in (first, second)] == ["hello", "hello"]
        assert (await edge.client.get("/health")).status_code == 200
