"""Smallest's live sessions that do not open, and how those that do come to their end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import (
    ClientTooFast,
    ConcurrencyLimitReached,
    FeatureNotInPlan,
    InsufficientCredits,
    InvalidParameter,
    Overloaded,
    RateLimitReached,
    RayscribeError,
    SessionIdle,
    SessionTooLong,
    StageLost,
    UnsupportedAudio,
)
from serve_app.access.plans import Plan
from serve_app.live.contracts import SpeechStarted
from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge
from tests.fakes.live import EMPTY_FINAL, UTTERANCE, FakeLiveService, LiveScript
from tests.fakes.virtual_time import virtually
from tests.serve_app.dialects.smallest_waves_live import CLOSE, FINAL, FINALIZE, refused, said, url_of

pytestmark = pytest.mark.unit


async def test_a_plan_without_speakers(edge: Edge) -> None:
    edge.access.plan = Plan(features=frozenset())
    status, body = await refused(edge, model="pulse", diarize="true")
    assert (status, body["error_code"]) == (403, "FEATURE_NOT_IN_PLAN")


async def test_the_key_may_come_in_the_url(edge: Edge) -> None:
    edge.access.key = "sk_good"
    assert (await refused(edge, model="pulse"))[0] == 401
    assert (await refused(edge, model="pulse", token="sk_bad"))[0] == 401
    # Who has no key learns nothing about parameters.
    assert (await refused(edge, model="pulse-pro"))[0] == 401
    await said(edge, CLOSE, token="sk_good")
    async with asgi_socket(edge.app, url_of(), {"authorization": "Bearer sk_good"}) as socket:
        socket.say(CLOSE)
        await socket.rest()
    assert socket.close_code == 1000


@pytest.mark.parametrize(
    ("error", "status"), [(RateLimitReached(60, 3), 429), (InsufficientCredits(), 403), (Overloaded("full"), 503)]
)
async def test_the_door_refuses_before_the_upgrade(edge: Edge, error: RayscribeError, status: int) -> None:
    edge.access.error = error
    assert (await refused(edge, model="pulse"))[0] == status


@pytest.mark.parametrize(
    ("error", "status"),
    [(Overloaded("full"), 503), (InvalidParameter("language", "no"), 400), (FeatureNotInPlan("a", "diarize"), 403)],
)
async def test_so_does_a_session_that_cannot_be_opened(edge: Edge, error: RayscribeError, status: int) -> None:
    edge.live.error = error
    assert (await refused(edge, model="pulse"))[0] == status


async def test_too_many_sessions_are_told_and_closed_with_1008(edge: Edge) -> None:
    edge.access.error = ConcurrencyLimitReached(3, 1)
    async with asgi_socket(edge.app, url_of()) as socket:
        answers = await socket.rest()
    assert [(each["type"], each["error_code"]) for each in answers] == [("error", "RATE_LIMIT_EXCEEDED")]
    assert (socket.status, socket.close_code) == (None, 1008)


@pytest.mark.parametrize(
    ("error", "code", "close_code"),
    [
        (SessionIdle(60), "SESSION_IDLE", 1008),
        (SessionTooLong(3600), "SESSION_TOO_LONG", 1008),
        (ClientTooFast(30), "AUDIO_TOO_FAST", 1008),
        (UnsupportedAudio("noise"), "AudioDecodeError", 1003),
        (StageLost("A stage was lost"), "SERVICE_UNAVAILABLE", 1013),
    ],
)
@pytest.mark.parametrize("where", ["feed", "events"])
async def test_a_session_that_fails_says_why(
    edge: Edge, error: RayscribeError, code: str, close_code: int, where: str
) -> None:
    edge.live.script = LiveScript(feed_error=error) if where == "feed" else LiveScript({1: (*UTTERANCE[:2], error)})
    async with asgi_socket(edge.app, url_of()) as socket:
        socket.say(b"audio")
        answers = await socket.rest()
    last = answers[-1]
    assert (last["type"], last["status"], last["error_code"]) == ("error", "error", code)
    assert last["message"]
    assert last["session_id"]
    assert socket.close_code == close_code
    assert not any(answer.get("is_last") for answer in answers)


@virtually
async def test_a_server_that_goes_says_no_last_words_that_the_client_has_not_asked_for() -> None:
    edge = Edge(live=FakeLiveService(LiveScript({}, on_close=UTTERANCE)))
    async with asgi_socket(edge.app, url_of()) as socket:
        socket.say(b"audio")
        await asyncio.sleep(1)
        edge.app.state.services.draining.set()
        *_, final, error = await socket.rest()
    assert (final["transcript"], final["is_final"], final["is_last"]) == ("Hello there.", True, False)
    assert (error["type"], error["error_code"], socket.close_code) == ("error", "SERVICE_UNAVAILABLE", 1012)


async def test_a_message_that_is_too_large(edge: Edge) -> None:
    async with asgi_socket(edge.app, url_of()) as socket:
        socket.say(bytes(2**20 + 1))
        assert (await socket.rest())[-1]["type"] == "error"
    assert socket.close_code == 1009


moves = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from([FINALIZE, CLOSE, {"type": "end"}, {"type": "x"}, {}, "", "{", "null", "hang up", "wait"]),
    ),
    max_size=12,
)
events = st.lists(st.sampled_from([*UTTERANCE, FINAL, SpeechStarted(2.0)]), max_size=4)
scripts = st.builds(
    LiveScript,
    after_messages=st.dictionaries(st.integers(1, 4), events, max_size=3),
    on_finalize=st.lists(events.map(lambda lines: [*lines, EMPTY_FINAL]), max_size=2),
    on_close=events,
)


def test_any_order_of_messages_ends_as_it_should() -> None:
    edge = Edge()
    with asyncio.Runner() as runner:

        @given(moves, scripts)
        def ends_as_it_should(moves: list[Any], script: LiveScript) -> None:
            runner.run(_ends_as_it_should(edge, moves, script))

        ends_as_it_should()


async def _ends_as_it_should(edge: Edge, moves: list[Any], script: LiveScript) -> None:
    edge.live.script = script
    edge.live.sessions.clear()
    socket = AsgiSocket(edge.app, url_of(vad="true"))
    gone = False
    for move in moves:
        if move == "hang up":
            gone = True
            socket.hang_up()
        elif move == "wait":
            await asyncio.sleep(0)
        else:
            socket.say(move)
    closed = any(move in (CLOSE, {"type": "end"}) for move in moves)
    if not closed:
        socket.hang_up()
    async with asyncio.timeout(20):
        await socket.task
    assert (edge.access.visitors, edge.live.sessions[0].left) == (0, True)
    lasts = [message.get("is_last", False) for message in socket.messages]
    assert True not in lasts[:-1]
    if closed and not gone:
        assert lasts[-1]
        assert socket.close_code == 1000
    # Either the end was told, or nobody was there to be told.
    assert socket.close_code in ((1000,) if lasts and lasts[-1] else (None,))
    assert edge.live.sessions[0].closes <= 1
