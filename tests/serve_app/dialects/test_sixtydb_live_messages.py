"""Messages of 60db's live sessions that make no sense, and any others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.fakes.asgi_socket import AsgiSocket
from tests.fakes.edge import Edge
from tests.fakes.json_values import JSON
from tests.fakes.virtual_time import run_virtually
from tests.serve_app.dialects.any_client import heard_out
from tests.serve_app.dialects.edge_fixtures import socket_to
from tests.serve_app.dialects.sixtydb_live import AUDIO, PCM, START, STOP, URL

pytestmark = pytest.mark.unit

socket = socket_to(URL)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (AUDIO, "INVALID_REQUEST"),
        ({"type": "config", "continuous_mode": True}, "INVALID_REQUEST"),
        ({"type": "finalize"}, "INVALID_PARAMETER"),
        ({"type": 7}, "INVALID_PARAMETER"),
        ({"type": "audio"}, "MISSING_PARAMETER"),
        ("{", "INVALID_PARAMETER"),
        ("[" * 5000, "INVALID_PARAMETER"),
        ("[]", "INVALID_PARAMETER"),
        ('{"type": "\\ud800"}', "INVALID_PARAMETER"),
    ],
)
async def test_messages_that_make_no_sense_before_a_start(
    edge: Edge, socket: AsgiSocket, message: dict[str, Any] | str, code: str
) -> None:
    socket.say(message)
    assert (await socket.read_until("error"))["error_code"] == code
    socket.say({"type": "test"})
    assert (await socket.read_until("test_response"))["session_id"] is None


@pytest.mark.parametrize(
    ("message", "parameter"),
    [
        (START, None),
        (AUDIO | {"audio": "%%%"}, "audio"),
        (AUDIO | {"audio": "日本"}, "audio"),
        (AUDIO | {"sample_rate": 8000}, "sample_rate"),
        (AUDIO | {"encoding": "mulaw"}, "encoding"),
        ({"type": "config", "utterance_end_ms": 700}, "utterance_end_ms"),
        ({"type": "config", "languages": ["xx"]}, "languages"),
    ],
)
async def test_messages_that_make_no_sense_in_a_session(
    edge: Edge, socket: AsgiSocket, message: dict[str, Any], parameter: str | None
) -> None:
    socket.say(START)
    socket.say(message)
    assert (await socket.read_until("error"))["details"].get("parameter") == parameter
    socket.say({"type": "test"})
    session_id = (await socket.read_until("test_response"))["session_id"]
    assert session_id == edge.live.sessions[0].options.request_id
    assert edge.live.sessions[0].audio == b""


async def test_a_message_that_is_too_large(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(START)
    socket.say(b"\0" * (4 * 1024 * 1024 + 1))
    error = (await socket.rest())[-1]
    assert (error["error_code"], error["details"]) == ("MESSAGE_TOO_LARGE", {"max_bytes": 4 * 1024 * 1024})
    assert socket.close_code == 1009


async def test_a_message_of_too_many_values_is_not_read(edge: Edge, socket: AsgiSocket) -> None:
    socket.say('{"type": "start", ' + ", ".join(f'"{n}": [[]]' for n in range(20_000)) + "}")
    error = (await socket.rest())[-1]
    assert (error["error_code"], error["details"]) == ("MESSAGE_TOO_LARGE", {"max_values": 50_000})
    assert socket.close_code == 1009
    assert edge.live.sessions == []


FIELDS = st.sampled_from(["type", "languages", "context", "config", "audio", "sample_rate", "continuous_mode"])
KIND = st.sampled_from(["start", "audio", "config", "test", "stop"])
ANY_MESSAGE = st.one_of(
    st.sampled_from([START, AUDIO, STOP, {"type": "test"}, {"type": "config", "continuous_mode": False}, PCM]),
    st.binary(max_size=20),
    st.text(max_size=20),
    st.builds(lambda kind, more: {**more, "type": kind}, KIND, st.dictionaries(FIELDS, JSON, max_size=4)),
)


@given(messages=st.lists(ANY_MESSAGE, max_size=8), with_stop=st.booleans())
@settings(max_examples=examples(150))
def test_whatever_a_client_says_it_is_answered_and_the_socket_closed(
    messages: list[dict[str, Any] | str | bytes], with_stop: bool
) -> None:
    said = [*messages, STOP] if with_stop else messages
    socket: AsgiSocket = run_virtually(lambda: heard_out(URL, "connection_established", said))
    assert socket.close_code in (1000, 1008)
    assert socket.messages[-1]["type"] == ("session_stopped" if socket.close_code == 1000 else "error")
    assert not any(message.get("error_code") == "INTERNAL_ERROR" for message in socket.messages)
