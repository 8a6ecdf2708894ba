"""What holds for the conversations of every dialect, shown with one that says as little as possible."""

from __future__ import annotations

import pytest

from tests.fakes.edge import Edge
from tests.serve_app.dialects.talk import session_of, talking

pytestmark = pytest.mark.unit


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


async def test_a_wrong_message_is_told_and_the_conversation_goes_on(edge: Edge) -> None:
    async with talking(edge) as socket:
        for message in ("wrong", "finish"):
            socket.say(message)
        assert [message["type"] for message in await socket.rest()] == ["hello", "error", "done", "bye"]
    assert socket.close_code == 1000


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


async def test_sockets_and_requests_are_counted_apart() -> None:
    edge = Edge(max_requests=1)
    async with talking(edge) as first, talking(edge) as second:
        assert [(await socket.read())["type"] for socket in (first, second)] == ["hello", "hello"]
        assert (await edge.client.get("/health")).status_code == 200
