from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.errors import (
    ClientTooFast,
    ConcurrencyLimitReached,
    Overloaded,
    RayscribeError,
    SessionIdle,
    SessionNotBegun,
    SessionTooLong,
    StageLost,
    UnsupportedAudio,
)
from tests.examples import examples
from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge
from tests.fakes.json_values import JSON
from tests.fakes.live import UTTERANCE, LiveScript
from tests.fakes.virtual_time import run_virtually
from tests.serve_app.dialects.any_client import heard_out
from tests.serve_app.dialects.edge_fixtures import socket_to
from tests.serve_app.dialects.openai_realtime import APPEND, CLEAR, COMMIT, SPOKEN, TEXT, URL, kinds, update

pytestmark = pytest.mark.unit

socket = socket_to(URL)


async def test_the_model_of_the_url(edge: Edge) -> None:
    async with asgi_socket(edge.app, f"{URL}&model=gpt-realtime-whisper") as socket:
        created = await socket.read()
    assert created["session"]["audio"]["input"]["transcription"]["model"] == "gpt-realtime-whisper"


@pytest.mark.parametrize("url", ["/v1/realtime", "/v1/realtime?model=gpt-realtime", "/v1/realtime?intent=chat"])
async def test_other_intents_are_refused_at_the_handshake(edge: Edge, url: str) -> None:
    async with asgi_socket(edge.app, url) as socket:
        (answer,) = await socket.rest()
    assert (socket.status, answer["error"]["param"]) == (400, "intent")


async def test_a_key_comes_as_a_subprotocol_or_in_a_header(edge: Edge) -> None:
    edge.access.key = "rs_good"
    offered = ["realtime", "openai-insecure-api-key.rs_good"]
    async with asgi_socket(edge.app, URL, subprotocols=offered) as socket:
        assert (await socket.read())["type"] == "session.created"
        assert socket.subprotocol == "realtime"
    async with asgi_socket(edge.app, URL, {"authorization": "Bearer rs_good"}) as socket:
        assert (await socket.read())["type"] == "session.created"
        assert socket.subprotocol is None
    async with asgi_socket(edge.app, URL, subprotocols=["realtime", "openai-insecure-api-key.rs_bad"]) as socket:
        (answer,) = await socket.rest()
    assert (socket.status, answer["error"]["code"]) == (401, "invalid_api_key")


async def test_a_door_that_stays_shut(edge: Edge) -> None:
    edge.access.error = ConcurrencyLimitReached(8, 1)
    async with asgi_socket(edge.app, URL) as socket:
        (answer,) = await socket.rest()
    assert (socket.status, answer["error"]["code"]) == (429, "rate_limit_exceeded")


@pytest.mark.parametrize(
    ("error", "code", "close_code"),
    [
        (ClientTooFast(30.0), "audio_too_fast", 1008),
        (SessionTooLong(3600.0), "session_expired", 1008),
        (SessionIdle(60.0), "session_idle", 1008),
        (SessionNotBegun(600.0), "session_idle", 1008),
        (UnsupportedAudio("it is cut"), "invalid_value", 1003),
        (StageLost("a replica is gone"), "service_unavailable", 1013),
        (RayscribeError("a secret"), None, 1011),
    ],
)
async def test_every_bad_end_is_told_before_the_close(
    edge: Edge, socket: AsgiSocket, error: RayscribeError, code: str | None, close_code: int
) -> None:
    edge.live.script = LiveScript({1: [*UTTERANCE, error]})
    socket.say(APPEND)
    *before, last = await socket.rest()
    assert kinds(before) == ["session.created", *SPOKEN]
    assert (last["type"], last["error"]["code"], socket.close_code) == ("error", code, close_code)
    assert last["event_id"]
    assert "secret" not in json.dumps(last)


async def test_a_full_service(edge: Edge, socket: AsgiSocket) -> None:
    edge.live.error = Overloaded("This process holds as many sessions as it may", 5)
    socket.say(APPEND)
    error = (await socket.rest())[-1]["error"]
    assert (error["code"], socket.close_code) == ("service_unavailable", 1013)


async def test_a_client_that_vanishes_leaves_nothing_behind(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(APPEND)
    await socket.read_until(f"{TEXT}.completed")
    socket.hang_up()
    await socket.task
    assert (edge.live.sessions[0].left, edge.access.visitors) == (True, 0)


PART = st.sampled_from(["format", "noise_reduction", "transcription", "turn_detection"])
KIND = st.sampled_from(
    ["session.update", "transcription_session.update", APPEND["type"], COMMIT["type"], CLEAR["type"]]
)
GOOD_MESSAGE = st.sampled_from([APPEND, COMMIT, CLEAR, update(turn_detection=None), update(turn_detection={})])
OTHER_MESSAGE = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=20),
    st.builds(lambda part, content: update(**{part: content}), PART, JSON),
    st.builds(lambda kind, session: {"type": kind, "session": session, "audio": session}, KIND, JSON),
)


# Half of them good, or hardly a session would get as far as a text.
ANY_MESSAGE = st.booleans().flatmap(lambda is_good: GOOD_MESSAGE if is_good else OTHER_MESSAGE)


@given(messages=st.lists(ANY_MESSAGE, max_size=8))
@settings(max_examples=examples(150))
def test_whatever_a_client_says_it_is_answered_and_the_socket_closed(
    messages: list[dict[str, Any] | str | bytes],
) -> None:
    socket: AsgiSocket = run_virtually(lambda: heard_out(URL, "session.created", messages))
    assert socket.close_code == 1008
    errors = [message["error"] for message in socket.messages if message["type"] == "error"]
    assert socket.messages[-1]["type"] == "error"
    assert errors[-1]["code"] == "session_idle"
    assert not any(error["type"] == "server_error" for error in errors)
