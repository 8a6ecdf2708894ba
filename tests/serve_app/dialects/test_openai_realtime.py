from __future__ import annotations

from typing import Any

import pytest

from deployments.contracts import Word
from deployments.errors import StageLost
from serve_app.live.contracts import AudioFormat, Encoding, Final, Partial, SpeechEnded, SpeechStarted
from tests.fakes.asgi_socket import AsgiSocket
from tests.fakes.edge import Edge
from tests.fakes.live import UTTERANCE, WORDS, Line, LiveScript
from tests.serve_app.dialects.edge_fixtures import socket_to
from tests.serve_app.dialects.openai_realtime import (
    APPEND,
    BUFFER,
    CLEAR,
    COMMIT,
    SECOND,
    SPOKEN,
    TEXT,
    URL,
    anonymous,
    kinds,
    read,
    update,
)

pytestmark = pytest.mark.unit

socket = socket_to(URL)


async def test_an_utterance_with_turn_detection(edge: Edge, socket: AsgiSocket) -> None:
    created = await socket.read()
    assert created["type"] == "session.created"
    session_id = created["session"]["id"]
    assert created["session"] == {
        "id": session_id,
        "object": "realtime.transcription_session",
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "noise_reduction": None,
                "transcription": {
                    "model": None,
                    "language": None,
                    "languages": None,
                    "prompt": None,
                    "keywords": None,
                    "delay": None,
                },
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 448,
                },
            }
        },
        "include": None,
        "expires_at": created["session"]["expires_at"],
    }
    socket.say(APPEND)
    messages = await read(socket, 7)
    item_id = messages[0]["item_id"]
    item = {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    assert [anonymous(message) for message in messages] == [
        {"type": f"{BUFFER}.speech_started", "audio_start_ms": 0, "item_id": item_id},
        {"type": f"{TEXT}.delta", "item_id": item_id, "content_index": 0, "delta": "Hello"},
        {"type": f"{BUFFER}.speech_stopped", "audio_end_ms": 900, "item_id": item_id},
        {"type": f"{BUFFER}.committed", "item_id": item_id, "previous_item_id": None},
        {"type": "conversation.item.added", "previous_item_id": None, "item": item},
        {"type": f"{TEXT}.delta", "item_id": item_id, "content_index": 0, "delta": " there."},
        {
            "type": f"{TEXT}.completed",
            "item_id": item_id,
            "content_index": 0,
            "transcript": "Hello there.",
            "languages": [{"code": "en"}],
            "usage": {"type": "duration", "seconds": 0.8},
        },
    ]
    assert len({message["event_id"] for message in socket.messages}) == 8
    session = edge.live.sessions[0]
    assert session.audio == SECOND
    assert session.options.request_id == session_id
    assert session.options.audio == AudioFormat(Encoding.PCM_S16, 24_000)
    assert (session.options.endpointing, session.options.end_silence_s) == (True, 0.448)
    assert edge.access.dialects == ["openai"]


async def test_every_utterance_is_an_item_behind_the_one_before(edge: Edge, socket: AsgiSocket) -> None:
    said = Final(1, "Yes.", (Word("Yes.", 2.1, 2.4, 0.7),), 2.1, 2.4, "en")
    edge.live.script = LiveScript({1: UTTERANCE, 2: [SpeechStarted(2.1), SpeechEnded(2.4), said]})
    socket.say(APPEND)
    socket.say(APPEND)
    await socket.read()
    first, second = await read(socket, 7), await read(socket, 6)
    assert (kinds(first), kinds(second)) == (SPOKEN, [SPOKEN[0], *SPOKEN[2:]])
    assert second[0]["audio_start_ms"] == 1800
    assert second[2]["previous_item_id"] == first[0]["item_id"]
    assert second[-1]["transcript"] == "Yes."


async def test_noise_is_an_item_without_text(edge: Edge, socket: AsgiSocket) -> None:
    noise: list[Line] = [SpeechStarted(0.1), SpeechEnded(0.5), Final(0, "", (), 0.0, 0.7, None)]
    edge.live.script = LiveScript({1: noise})
    socket.say(APPEND)
    messages = await read(socket, 6)
    assert kinds(messages)[-1] == f"{TEXT}.completed"
    assert (messages[-1]["transcript"], messages[-1]["languages"]) == ("", [])


async def test_a_lost_utterance_fails_its_item_and_the_session_goes_on(edge: Edge, socket: AsgiSocket) -> None:
    lost = Final(0, "", (), 0.0, 0.9, None, failure=StageLost("A worker stopped"))
    said = Final(1, "Yes.", (Word("Yes.", 2.1, 2.4, 0.7),), 2.1, 2.4, "en")
    edge.live.script = LiveScript({1: [*UTTERANCE[:-1], lost], 2: [SpeechStarted(2.1), SpeechEnded(2.4), said]})
    socket.say(APPEND)
    socket.say(APPEND)
    await socket.read()
    messages = await read(socket, 6)
    assert kinds(messages) == [*SPOKEN[:5], f"{TEXT}.failed"]
    assert anonymous(messages[-1]) == {
        "type": f"{TEXT}.failed",
        "item_id": messages[0]["item_id"],
        "content_index": 0,
        "error": {
            "type": "server_error",
            "code": "service_unavailable",
            "message": "A worker stopped",
            "param": None,
        },
    }
    assert (await socket.read_until(f"{TEXT}.completed"))["transcript"] == "Yes."


async def test_a_lost_utterance_without_a_start_of_its_own_is_an_item_that_fails(
    edge: Edge, socket: AsgiSocket
) -> None:
    first = Final(0, "Hello there.", WORDS, 0.1, 0.9, "en")
    lost = Final(1, "", (), 0.9, 1.4, None, failure=StageLost("A worker stopped"))
    edge.live.script = LiveScript({1: [SpeechStarted(0.1), first, lost]})
    socket.say(APPEND)
    await socket.read_until(f"{TEXT}.completed")
    messages = await read(socket, 5)
    assert kinds(messages) == [SPOKEN[0], *SPOKEN[2:5], f"{TEXT}.failed"]


async def test_an_item_fails_with_any_of_its_utterances(edge: Edge, socket: AsgiSocket) -> None:
    lost = Final(0, "", (), 0.0, 0.9, None, failure=StageLost("A worker stopped"))
    asked = Final(1, "Yes.", (Word("Yes.", 1.1, 1.4, 0.7),), 1.1, 1.4, "en", from_finalize=True)
    edge.live.script = LiveScript({1: [lost]}, [[asked]])
    for message in (update(turn_detection=None), APPEND, COMMIT):
        socket.say(message)
    delta = await socket.read_until(f"{TEXT}.delta")
    failed = await socket.read_until(f"{TEXT}.failed")
    assert (delta["delta"], failed["item_id"]) == ("Yes.", delta["item_id"])


async def test_an_utterance_that_is_cut_for_its_length_becomes_two_items(edge: Edge, socket: AsgiSocket) -> None:
    first = Final(0, "Hello there.", WORDS, 0.1, 0.9, "en")
    words = (Word("Yes.", 1.1, 1.4, 0.7),)
    running = Partial(1, "Yes", words, 1.1, 1.4)
    second: list[Line] = [running, SpeechEnded(1.4), Final(1, "Yes.", words, 1.1, 1.4, "en")]
    edge.live.script = LiveScript({1: [SpeechStarted(0.1), first, *second]})
    socket.say(APPEND)
    await socket.read()
    assert kinds(await read(socket, 12)) == [SPOKEN[0], *SPOKEN[2:], SPOKEN[0], *SPOKEN[2:]]


async def test_without_turn_detection_only_the_client_commits(edge: Edge, socket: AsgiSocket) -> None:
    longest = Final(0, "Hello there.", WORDS, 0.1, 0.9, "en")
    words = (Word("Yes", 1.1, 1.4, 0.7), Word("sir.", 1.5, 1.8, 0.7))
    running = Partial(1, "Yes sir", words, 1.1, 1.8, 1)
    asked = Final(1, "Yes sir.", words, 1.1, 1.8, "en", from_finalize=True)
    edge.live.script = LiveScript({1: [SpeechStarted(0.1), longest], 2: [running, SpeechEnded(1.8)]}, [[asked]])
    socket.say(update(turn_detection=None))
    assert (await socket.read_until("session.updated"))["session"]["audio"]["input"]["turn_detection"] is None
    for message in (APPEND, APPEND, COMMIT):
        socket.say(message)
    messages = await read(socket, 6)
    assert sorted(kinds(messages)) == sorted([*[f"{TEXT}.delta"] * 3, *SPOKEN[3:5], f"{TEXT}.completed"])
    deltas = [message["delta"] for message in messages if message["type"] == f"{TEXT}.delta"]
    assert deltas == ["Hello there.", " Yes", " sir."]
    assert messages[-1]["transcript"] == "Hello there. Yes sir."
    assert messages[-1]["usage"]["seconds"] == 1.5
    assert not edge.live.sessions[0].options.endpointing


@pytest.mark.parametrize("turn_detection", [None, {"type": "server_vad"}])
async def test_a_commit_of_silence(edge: Edge, socket: AsgiSocket, turn_detection: dict[str, Any] | None) -> None:
    edge.live.script = LiveScript({})
    for message in (update(turn_detection=turn_detection), APPEND, COMMIT):
        socket.say(message)
    await socket.read_until("session.updated")
    committed, added, completed = await read(socket, 3)
    assert kinds([committed, added, completed]) == [*SPOKEN[3:5], f"{TEXT}.completed"]
    assert (completed["item_id"], completed["transcript"]) == (committed["item_id"], "")


async def test_a_commit_in_the_middle_of_speech(edge: Edge, socket: AsgiSocket) -> None:
    asked = Final(0, "Hello there.", WORDS, 0.1, 0.9, "en", from_finalize=True)
    edge.live.script = LiveScript({1: [SpeechStarted(0.1)]}, [[SpeechEnded(0.9), asked]])
    socket.say(APPEND)
    started = await socket.read_until(f"{BUFFER}.speech_started")
    socket.say(COMMIT)
    messages = await read(socket, 4)
    assert kinds(messages) == SPOKEN[3:]
    assert messages[0]["item_id"] == messages[-1]["item_id"] == started["item_id"]


async def test_a_commit_that_overtakes_the_detector_has_all_that_was_said_before_it(
    edge: Edge, socket: AsgiSocket
) -> None:
    words = (Word("Yes.", 0.95, 0.99, 0.7),)
    asked = Final(1, "Yes.", words, 0.95, 0.99, "en", from_finalize=True)
    later = Final(2, "Yes.", words, 1.2, 1.4, "en")
    edge.live.script = LiveScript(
        {2: [SpeechStarted(1.2), SpeechEnded(1.4), later]},
        # Two utterances, the second of which the commit ends.
        [[*UTTERANCE, SpeechStarted(0.95), SpeechEnded(0.99), asked]],
    )
    for message in (APPEND, COMMIT, APPEND):
        socket.say(message)
    await socket.read()
    overtaken, after = await read(socket, 6), await read(socket, 6)
    # It was committed before anybody knew of its speech.
    assert kinds(overtaken) == [*SPOKEN[3:5], *[f"{TEXT}.delta"] * 3, f"{TEXT}.completed"]
    assert overtaken[-1]["item_id"] == overtaken[0]["item_id"]
    assert overtaken[-1]["transcript"] == "Hello there. Yes."
    assert kinds(after) == [SPOKEN[0], *SPOKEN[2:]]
    assert after[2]["previous_item_id"] == overtaken[0]["item_id"]


@pytest.mark.parametrize("before", [[], [APPEND, COMMIT], [APPEND, CLEAR]])
async def test_a_commit_of_nothing(edge: Edge, socket: AsgiSocket, before: list[dict[str, Any]]) -> None:
    edge.live.script = LiveScript({})
    for message in [*before, COMMIT | {"event_id": "mine"}]:
        socket.say(message)
    error = (await socket.read_until("error"))["error"]
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "mine")
    assert error["type"] == "invalid_request_error"


async def test_a_clear_forgets_the_running_item(edge: Edge, socket: AsgiSocket) -> None:
    edge.live.script = LiveScript({1: [SpeechStarted(0.1), *UTTERANCE[1:3]]})
    socket.say(APPEND)
    await socket.read_until(f"{TEXT}.delta")
    socket.say(CLEAR)
    await socket.read_until(f"{BUFFER}.cleared")
    session = edge.live.sessions[0]
    session.say(*UTTERANCE[3:])
    session.say(SpeechStarted(2.0))
    assert (await socket.read())["type"] == f"{BUFFER}.speech_started"
    assert session.clears == 1
