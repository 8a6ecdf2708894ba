"""How the conversations of every dialect end before their client ends them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
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
    ServiceUnavailable,
    SessionIdle,
    SessionNotBegun,
    StageLost,
    Unauthenticated,
    UnsupportedAudio,
)
from serve_app.access.visit import Visit
from serve_app.dialects.socket_frames import close_code
from serve_app.live.contracts import LiveOptions, SessionEnded
from serve_app.settings import LiveSettings, Settings
from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge
from tests.fakes.live import UTTERANCE, FakeLiveService, FakeLiveSession, LiveScript
from tests.fakes.losing_access import LosingAccess
from tests.fakes.virtual_time import run_virtually, virtually
from tests.serve_app.dialects.talk import app_of, session_of, talking

pytestmark = pytest.mark.unit


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
        (SessionNotBegun(600), 1008),
        (InvalidParameter("a", "b"), 1008),
        (IllegalMove("open", "start"), 1008),
        (MessageTooLarge(1), 1009),
        (RuntimeError(), 1011),
        (ServiceUnavailable("later"), 1013),
    ],
)
def test_the_table_of_close_codes(error: Exception, code: int) -> None:
    assert close_code(error) == code


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
    socket.say("start")
    socket.say("close")
    await asyncio.sleep(limit_s - 1)
    assert socket.close_code is None
    await asyncio.sleep(2)
    assert (await socket.rest())[-1] == {"type": "error", "kind": "SessionIdle"}
    assert socket.close_code == 1008


@virtually
async def test_a_connection_on_which_no_session_begins_ends_whatever_is_said_on_it() -> None:
    async with asgi_socket(app_of(Edge()), "/talk") as socket:
        for _ in range(21):
            assert socket.close_code is None
            socket.say("anything")
            await asyncio.sleep(30)
        said = await socket.rest()
    assert said[-1] == {"type": "error", "kind": "SessionNotBegun"}
    assert socket.close_code == 1008


@virtually
async def test_a_session_that_began_in_time_goes_on() -> None:
    async with asgi_socket(app_of(edge := Edge()), "/talk") as socket:
        for message in ["anything"] * 19 + ["start"] + ["anything"] * 20:
            socket.say(message)
            await asyncio.sleep(30)
        assert (socket.close_code, session_of(edge).reason) == (None, None)


@virtually
async def test_who_begins_long_after_the_handshake_is_looked_at_again() -> None:
    async with asgi_socket(app_of(edge := Edge()), "/talk") as socket:
        await socket.read_until("hello")
        edge.access.error = Unauthenticated(False)
        await asyncio.sleep(edge.settings.access.key_cache_s + 1)
        socket.say("start")
        assert (await socket.rest())[-1] == {"type": "error", "kind": "Unauthenticated"}
    assert socket.close_code == 1008
    assert edge.live.sessions == []


@virtually
async def test_who_begins_at_once_is_looked_at_once() -> None:
    async with asgi_socket(app_of(edge := Edge()), "/talk") as socket:
        await asyncio.sleep(edge.settings.access.key_cache_s - 1)
        socket.say("start")
        await socket.read_until("done")
    assert edge.access.checked_again == []
    assert len(edge.live.sessions) == 1


@virtually
async def test_a_session_ends_behind_its_last_words_when_nothing_comes() -> None:
    settings = Settings(live=LiveSettings(idle_timeout_s=10.0))
    edge = Edge(settings, live=FakeLiveService(LiveScript(after_messages={}, on_close=UTTERANCE)))
    async with asgi_socket(app_of(edge), "/talk?start") as socket:
        said = [message["type"] for message in await socket.rest()]
    assert asyncio.get_running_loop().time() == pytest.approx(10.0)
    assert said == ["hello", *(type(event).__name__ for event in UTTERANCE), "error"]
    assert (socket.messages[-1]["kind"], socket.close_code) == ("SessionIdle", 1008)


@pytest.mark.parametrize("message", ["wrong", "anything", b"audio"])
def test_any_message_says_that_somebody_is_there(message: str | bytes) -> None:
    edge = Edge()

    async def talk() -> None:
        async with asgi_socket(app_of(edge), "/talk?start") as socket:
            for _ in range(5):
                await asyncio.sleep(edge.settings.live.idle_timeout_s - 1)
                socket.say(message)
            await asyncio.sleep(edge.settings.live.idle_timeout_s - 1)
            assert (socket.close_code, session_of(edge).reason) == (None, None)

    run_virtually(talk)


@virtually
async def test_a_server_that_goes_says_the_last_words_first_and_takes_nothing_for_a_mistake() -> None:
    edge = Edge(live=FakeLiveService(LiveScript(after_messages={}, on_close=UTTERANCE)))
    async with asgi_socket(app_of(edge), "/talk?start") as socket:
        socket.say(b"audio")
        await asyncio.sleep(1)
        edge.app.state.services.draining.set()
        await asyncio.sleep(0)
        for message in (b"more", "wrong", "close"):
            socket.say(message)
        said = [message["type"] for message in await socket.rest()]
    assert said == ["hello", *(type(event).__name__ for event in UTTERANCE), "error"]
    assert socket.messages[-1]["kind"] == "GoingAway"
    assert socket.close_code == 1012
    assert session_of(edge).messages == [b"audio"]


@virtually
async def test_a_server_that_goes_does_not_wait_for_ever_for_the_last_words() -> None:
    edge = Edge(live=FakeLiveService(LiveScript(ended=None)))
    async with asgi_socket(app_of(edge), "/talk?start") as socket:
        await asyncio.sleep(1)
        edge.app.state.services.draining.set()
        assert (await socket.rest())[-1] == {"type": "error", "kind": "GoingAway"}
    assert asyncio.get_running_loop().time() == pytest.approx(1 + 8, abs=0.1)
    assert (socket.close_code, session_of(edge).left) == (1012, True)


@virtually
async def test_a_client_that_closed_before_the_server_went_gets_its_own_end() -> None:
    edge = Edge(live=FakeLiveService(LiveScript(ended=None)))
    async with asgi_socket(app_of(edge), "/talk?start") as socket:
        socket.say("close")
        await socket.read_until("done")
        edge.app.state.services.draining.set()
        await asyncio.sleep(1)
        session_of(edge).say(SessionEnded(1.0, 1.0))
        assert await socket.rest() == [{"type": "bye"}]
    assert socket.close_code == 1000


@virtually
async def test_a_server_that_goes_takes_a_connection_without_a_session_along() -> None:
    edge = Edge()
    async with asgi_socket(app_of(edge), "/talk") as socket:
        edge.app.state.services.draining.set()
        assert (await socket.rest())[-1] == {"type": "error", "kind": "GoingAway"}
    assert socket.close_code == 1012


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


async def test_a_lost_lease_ends_the_conversation() -> None:
    access = LosingAccess()
    edge = Edge(access=access)
    async with talking(edge, "start") as socket:
        assert (await socket.read())["type"] == "hello"
        access.lose()
        assert await socket.rest() == [{"type": "error", "kind": "ServiceUnavailable"}]
    assert socket.close_code == 1013
    assert session_of(edge).left
