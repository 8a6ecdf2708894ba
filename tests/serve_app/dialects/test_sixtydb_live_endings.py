"""60db's live sessions that do not open, and those that end before their client ends them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployments.errors import (
    ClientTooFast,
    ConcurrencyLimitReached,
    InsufficientCredits,
    Overloaded,
    RayscribeError,
    SessionIdle,
    SessionNotBegun,
    SessionTooLong,
    StageLost,
    UnsupportedAudio,
)
from serve_app.settings import LiveSettings, Settings
from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge
from tests.fakes.live import UTTERANCE, FakeLiveService, LiveScript
from tests.fakes.virtual_time import virtually
from tests.serve_app.dialects.edge_fixtures import socket_to
from tests.serve_app.dialects.sixtydb_live import AUDIO, HANDSHAKE, SAID, START, STARTED, URL, kinds

pytestmark = pytest.mark.unit

socket = socket_to(URL)


@pytest.mark.parametrize(
    ("error", "code", "details"),
    [
        (ConcurrencyLimitReached(8, 1), "STT_CONCURRENCY_LIMIT", {"limit": 8}),
        (InsufficientCredits(), "INSUFFICIENT_CREDITS", {}),
    ],
)
async def test_a_door_that_stays_shut(edge: Edge, error: RayscribeError, code: str, details: dict[str, Any]) -> None:
    edge.access.error = error
    async with asgi_socket(edge.app, URL) as socket:
        (message,) = await socket.rest()
    assert (message["type"], message["error_code"], message["details"]) == ("error", code, details)
    assert socket.close_code == 1008


@pytest.mark.parametrize("place", ["apiKey", "token"])
async def test_a_key_comes_in_the_url_and_a_wrong_one_ends_the_session(edge: Edge, place: str) -> None:
    edge.access.key = "sk_live_good"
    async with asgi_socket(edge.app, f"/ws/stt?{place}=sk_live_good&workspace_id=7") as socket:
        assert (await socket.read())["type"] == "connecting"
    async with asgi_socket(edge.app, f"/ws/stt?{place}=sk_live_bad") as socket:
        (message,) = await socket.rest()
    assert (message["error_code"], socket.close_code) == ("UNAUTHENTICATED", 1008)


@pytest.mark.parametrize(
    ("error", "code", "close_code"),
    [
        (ClientTooFast(30.0), "AUDIO_TOO_FAST", 1008),
        (SessionTooLong(3600.0), "SESSION_TOO_LONG", 1008),
        (SessionIdle(60.0), "SESSION_IDLE", 1008),
        (SessionNotBegun(600.0), "SESSION_IDLE", 1008),
        (InsufficientCredits(), "INSUFFICIENT_CREDITS", 1008),
        (UnsupportedAudio("it is cut"), "UNSUPPORTED_AUDIO", 1003),
        (StageLost("a replica is gone"), "STT_UPSTREAM_UNAVAILABLE", 1013),
        (RayscribeError("a secret"), "INTERNAL_ERROR", 1011),
    ],
)
async def test_every_bad_end_is_told_before_the_close(
    edge: Edge, socket: AsgiSocket, error: RayscribeError, code: str, close_code: int
) -> None:
    edge.live.script = LiveScript({1: [*UTTERANCE, error]})
    socket.say(START)
    socket.say(AUDIO)
    *before, last = await socket.rest()
    assert kinds(before) == [*HANDSHAKE, *STARTED, *SAID]
    assert (last["type"], last["error_code"], socket.close_code) == ("error", code, close_code)
    assert "secret" not in json.dumps(last)


async def test_a_full_service(edge: Edge, socket: AsgiSocket) -> None:
    edge.live.error = Overloaded("This process holds as many sessions as it may", 5)
    socket.say(START)
    error = (await socket.rest())[-1]
    assert (error["error_code"], socket.close_code) == ("STT_UPSTREAM_UNAVAILABLE", 1013)


@virtually
async def test_a_client_that_says_nothing() -> None:
    edge = Edge(settings=Settings(live=LiveSettings(idle_timeout_s=10.0)))
    async with asgi_socket(edge.app, URL) as socket:
        assert kinds(await socket.rest()) == [*HANDSHAKE, "error"]
    assert socket.close_code == 1008


@virtually
async def test_a_server_that_goes_ends_a_session_of_one_utterance_behind_that_utterance() -> None:
    edge = Edge(live=FakeLiveService(LiveScript({}, on_close=UTTERANCE)))
    async with asgi_socket(edge.app, URL) as socket:
        socket.say({**START, "config": {**START["config"], "continuous_mode": False}})
        await socket.read_until("session_started")
        edge.app.state.services.draining.set()
        *_, final, error = await socket.rest()
    assert (final["text"], error["error_code"]) == ("Hello there.", "STT_UPSTREAM_UNAVAILABLE")
    assert socket.close_code == 1012


async def test_a_client_that_vanishes_leaves_nothing_behind(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(START)
    await socket.read_until("session_started")
    socket.hang_up()
    await socket.task
    assert (edge.live.sessions[0].left, edge.access.visitors) == (True, 0)
