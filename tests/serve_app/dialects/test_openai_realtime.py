from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from deployments.contracts import VocabularyTerm, Word
from deployments.errors import (
    ClientTooFast,
    ConcurrencyLimitReached,
    Overloaded,
    RayscribeError,
    SessionIdle,
    SessionTooLong,
    StageLost,
    UnsupportedAudio,
)
from serve_app.live.contracts import AudioFormat, Encoding, Final, Partial, SpeechEnded, SpeechStarted
from serve_app.settings import LiveSettings, Settings
from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge
from tests.fakes.edge_server import served
from tests.fakes.live import UTTERANCE, WORDS, Line, LiveScript

pytestmark = pytest.mark.unit

URL = "/v1/realtime?intent=transcription"
SECOND = b"\0\1" * 24_000
APPEND = {"type": "input_audio_buffer.append", "audio": base64.b64encode(SECOND).decode()}
COMMIT = {"type": "input_audio_buffer.commit"}
CLEAR = {"type": "input_audio_buffer.clear"}
TEXT = "conversation.item.input_audio_transcription"
BUFFER = "input_audio_buffer"
INPUT = "session.audio.input"
SPOKEN = [
    f"{BUFFER}.speech_started",
    f"{TEXT}.delta",
    f"{BUFFER}.speech_stopped",
    f"{BUFFER}.committed",
    "conversation.item.added",
    f"{TEXT}.delta",
    f"{TEXT}.completed",
]


@pytest.fixture
async def socket(edge: Edge) -> AsyncIterator[AsgiSocket]:
    async with asgi_socket(edge.app, URL) as opened:
        yield opened


def update(**content: Any) -> dict[str, Any]:
    include = {"include": content.pop("include")} if "include" in content else {}
    return {"type": "session.update", "session": {"type": "transcription", "audio": {"input": content}, **include}}


def anonymous(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "event_id"}


async def read(socket: AsgiSocket, count: int) -> list[dict[str, Any]]:
    return [await socket.read() for _ in range(count)]


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


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


async def test_what_an_update_may_say(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(
        update(
            format={"type": "audio/pcm", "rate": 16000},
            noise_reduction=None,
            transcription={
                "model": "gpt-live-transcribe",
                "languages": ["en"],
                "prompt": "",
                "keywords": ["Rayscribe", " Ray Serve"],
                "delay": "high",
            },
            turn_detection={
                "type": "server_vad",
                "threshold": 0.7,
                "prefix_padding_ms": 100,
                "silence_duration_ms": 900,
                "create_response": False,
            },
            include=["item.input_audio_transcription.logprobs"],
        )
    )
    updated = (await socket.read_until("session.updated"))["session"]
    assert updated["audio"]["input"]["transcription"]["model"] == "gpt-live-transcribe"
    assert updated["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.7,
        "prefix_padding_ms": 100,
        "silence_duration_ms": 900,
    }
    socket.say(update(transcription={"language": "en", "languages": []}))
    merged = (await socket.read_until("session.updated"))["session"]
    assert merged["audio"]["input"]["transcription"]["keywords"] == ["Rayscribe", " Ray Serve"]
    assert merged["include"] == ["item.input_audio_transcription.logprobs"]
    socket.say(APPEND)
    delta = await socket.read_until(f"{TEXT}.delta")
    assert delta["logprobs"] == [{"token": "Hello", "bytes": list(b"Hello"), "logprob": -0.1054}]
    completed = await socket.read_until(f"{TEXT}.completed")
    assert [entry["token"] for entry in completed["logprobs"]] == ["Hello", " there."]
    options = edge.live.sessions[0].options
    assert options.audio == AudioFormat(Encoding.PCM_S16, 16_000)
    assert (options.language, options.candidates) == ("en", ())
    assert (options.partial_interval_s, options.speech_threshold, options.end_silence_s) == (2.0, 0.7, 0.9)
    assert options.vocabulary == (VocabularyTerm("Rayscribe"), VocabularyTerm("Ray Serve"))


@pytest.mark.parametrize(("name", "encoding"), [("audio/pcmu", Encoding.MULAW), ("audio/pcma", Encoding.ALAW)])
async def test_telephony(edge: Edge, socket: AsgiSocket, name: str, encoding: Encoding) -> None:
    socket.say(update(format={"type": name}))
    socket.say(APPEND)
    await socket.read_until(f"{TEXT}.completed")
    assert edge.live.sessions[0].options.audio == AudioFormat(encoding, 8000)


async def test_the_beta_form(edge: Edge, socket: AsgiSocket) -> None:
    session = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "en", "prompt": ""},
        "input_audio_noise_reduction": None,
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 700},
    }
    socket.say({"type": "transcription_session.update", "session": session})
    updated = (await socket.read_until("transcription_session.updated"))["session"]
    assert updated["input_audio_format"] == "g711_ulaw"
    assert updated["input_audio_transcription"]["model"] == "gpt-4o-transcribe"
    assert updated["turn_detection"]["silence_duration_ms"] == 700
    socket.say(APPEND)
    await socket.read_until(f"{TEXT}.completed")
    assert edge.live.sessions[0].options.audio == AudioFormat(Encoding.MULAW, 8000)
    assert edge.live.sessions[0].options.end_silence_s == 0.7


@pytest.mark.parametrize(
    ("headers", "subprotocols"),
    [
        ({"openai-beta": "realtime=v1"}, []),
        ({"OpenAI-Beta": "assistants=v2, realtime=v1"}, []),
        ({}, ["realtime", "openai-insecure-api-key.rs_any", "openai-beta.realtime-v1"]),
    ],
)
async def test_a_client_of_the_beta_is_greeted_in_its_form(
    edge: Edge, headers: dict[str, str], subprotocols: list[str]
) -> None:
    async with asgi_socket(edge.app, f"{URL}&model=whisper-1", headers, subprotocols) as socket:
        created = await socket.read()
    session = created["session"]
    assert created["type"] == "transcription_session.created"
    assert session == {
        "id": session["id"],
        "object": "realtime.transcription_session",
        "input_audio_format": "pcm16",
        "input_audio_noise_reduction": None,
        "input_audio_transcription": {
            "model": "whisper-1",
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
        "include": None,
        "expires_at": session["expires_at"],
    }


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"input_audio_format": "opus"}, "session.input_audio_format"),
        ({"input_audio_format": 7}, "session.input_audio_format"),
        ({"input_audio_transcription": {"prompt": "modems"}}, "session.input_audio_transcription.prompt"),
        ({"input_audio_noise_reduction": {"type": "near_field"}}, "session.input_audio_noise_reduction"),
        ({"turn_detection": {"type": "semantic_vad"}}, "session.turn_detection.type"),
        ({"voice": "alloy"}, "session.voice"),
    ],
)
async def test_errors_of_the_beta_form(edge: Edge, socket: AsgiSocket, session: dict[str, Any], param: str) -> None:
    socket.say({"type": "transcription_session.update", "session": session, "event_id": "e1"})
    error = (await socket.read_until("error"))["error"]
    assert (error["param"], error["event_id"], error["type"]) == (param, "e1", "invalid_request_error")


@pytest.mark.parametrize(
    ("session", "param"),
    [
        (None, "session"),
        ([], "session"),
        ({}, "session.type"),
        ({"type": "realtime"}, "session.type"),
        ({"type": "transcription", "voice": "alloy"}, "session.voice"),
        ({"type": "transcription", "include": ["everything"]}, "session.include.0"),
        (update(format={"type": "audio/opus"})["session"], f"{INPUT}.format.type"),
        (update(format={"type": "audio/pcm", "rate": 96000})["session"], f"{INPUT}.format.rate"),
        (update(format={"type": "audio/pcmu", "rate": 16000})["session"], f"{INPUT}.format.rate"),
        (update(noise_reduction={"type": "near_field"})["session"], f"{INPUT}.noise_reduction"),
        (update(transcription=None)["session"], f"{INPUT}.transcription"),
        (update(transcription={"prompt": "modems"})["session"], f"{INPUT}.transcription.prompt"),
        (update(transcription={"language": "xx"})["session"], f"{INPUT}.transcription.language"),
        (update(transcription={"languages": ["en", "xx"]})["session"], f"{INPUT}.transcription.languages"),
        (
            update(transcription={"language": "en", "languages": ["en"]})["session"],
            f"{INPUT}.transcription.languages",
        ),
        (update(transcription={"keywords": ["  "]})["session"], f"{INPUT}.transcription.keywords"),
        (update(transcription={"delay": "forever"})["session"], f"{INPUT}.transcription.delay"),
        (update(turn_detection={"type": "semantic_vad"})["session"], f"{INPUT}.turn_detection.type"),
        (update(turn_detection={"threshold": 1.5})["session"], f"{INPUT}.turn_detection.threshold"),
        (update(turn_detection={"prefix_padding_ms": 5000})["session"], f"{INPUT}.turn_detection.prefix_padding_ms"),
        (update(turn_detection={"silence_duration_ms": 0})["session"], f"{INPUT}.turn_detection.silence_duration_ms"),
        (update(turn_detection={"create_response": True})["session"], f"{INPUT}.turn_detection.create_response"),
        (update(turn_detection={"idle_timeout_ms": 6000})["session"], f"{INPUT}.turn_detection.idle_timeout_ms"),
    ],
)
async def test_an_update_that_cannot_be_honoured(edge: Edge, socket: AsgiSocket, session: object, param: str) -> None:
    socket.say({"type": "session.update", "session": session, "event_id": "e1"})
    error = (await socket.read_until("error"))["error"]
    assert (error["param"], error["event_id"], error["type"]) == (param, "e1", "invalid_request_error")
    assert error["message"]
    socket.say(APPEND)
    await socket.read_until(f"{TEXT}.completed")


async def test_what_can_change_once_audio_has_come(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(APPEND)
    await socket.read_until(f"{TEXT}.completed")
    socket.say(
        update(
            transcription={"model": "gpt-4o-transcribe"},
            turn_detection={"prefix_padding_ms": 0},
            include=["item.input_audio_transcription.logprobs"],
        )
    )
    updated = (await socket.read_until("session.updated"))["session"]
    assert updated["audio"]["input"]["turn_detection"]["prefix_padding_ms"] == 0
    edge.live.sessions[0].say(SpeechStarted(2.0), Final(1, "Yes.", (Word("Yes.", 2.1, 2.4, 1.0),), 2.1, 2.4, "en"))
    assert (await socket.read())["audio_start_ms"] == 2000
    assert (await socket.read_until(f"{TEXT}.completed"))["logprobs"][0]["token"] == "Yes."


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("format", {"type": "audio/pcmu"}),
        ("transcription", {"keywords": ["Rayscribe"]}),
        ("transcription", {"language": "en"}),
        ("turn_detection", None),
        ("turn_detection", {"silence_duration_ms": 900}),
    ],
)
async def test_what_cannot_change_once_audio_has_come(
    edge: Edge, socket: AsgiSocket, part: str, content: dict[str, Any] | None
) -> None:
    socket.say(APPEND)
    await socket.read_until(f"{TEXT}.completed")
    socket.say(update(**{part: content}))
    assert (await socket.read_until("error"))["error"]["param"] == f"{INPUT}.{part}"
    assert len(edge.live.sessions) == 1


@pytest.mark.parametrize(
    ("message", "param"),
    [
        (b"\0\0", "audio"),
        ("{", "event"),
        ("[" * 5000, "event"),
        ("7", "event"),
        ({"type": "response.create"}, "type"),
        ({}, "type"),
        ({"type": ["session.update"]}, "type"),
        ({"type": "session.update"}, "session"),
        ({"type": "input_audio_buffer.append"}, "audio"),
        ({"type": "input_audio_buffer.append", "audio": "%%%"}, "audio"),
        ({"type": "input_audio_buffer.append", "audio": 7}, "audio"),
        ({"type": "input_audio_buffer.append", "audio": "日本"}, "audio"),
    ],
)
async def test_messages_that_make_no_sense(
    edge: Edge, socket: AsgiSocket, message: dict[str, Any] | str | bytes, param: str
) -> None:
    socket.say(message)
    assert (await socket.read_until("error"))["error"]["param"] == param
    assert not edge.live.sessions
    socket.say(APPEND)
    await socket.read_until(f"{TEXT}.completed")


async def test_the_model_of_the_url(edge: Edge) -> None:
    async with asgi_socket(edge.app, f"{URL}&model=gpt-realtime-whisper") as socket:
        created = await socket.read()
    assert created["session"]["audio"]["input"]["transcription"]["model"] == "gpt-realtime-whisper"


@pytest.mark.parametrize("url", ["/v1/realtime", "/v1/realtime?model=gpt-realtime", "/v1/realtime?intent=chat"])
async def test_other_intents(edge: Edge, url: str) -> None:
    async with asgi_socket(edge.app, url) as socket:
        (answer,) = await socket.rest()
    assert (socket.status, answer["error"]["param"]) == (400, "intent")


async def test_keys(edge: Edge) -> None:
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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PART = st.sampled_from(["format", "noise_reduction", "transcription", "turn_detection"])
KIND = st.sampled_from(
    ["session.update", "transcription_session.update", APPEND["type"], COMMIT["type"], CLEAR["type"]]
)
ANY_MESSAGE = st.one_of(
    st.sampled_from([APPEND, COMMIT, CLEAR, update(turn_detection=None), update(turn_detection={})]),
    st.binary(max_size=20),
    st.text(max_size=20),
    st.builds(lambda part, content: update(**{part: content}), PART, JSON),
    st.builds(lambda kind, session: {"type": kind, "session": session, "audio": session}, KIND, JSON),
)


@given(messages=st.lists(ANY_MESSAGE, max_size=8))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
async def test_whatever_a_client_says_it_is_answered_and_the_socket_closed(
    messages: list[dict[str, Any] | str | bytes],
) -> None:
    edge = Edge(settings=Settings(live=LiveSettings(idle_timeout_s=0.02)))
    async with asgi_socket(edge.app, URL) as socket:
        for message in messages:
            socket.say(message)
        await socket.read_until("session.created")
        for _ in range(50 * (len(messages) + 1)):
            await asyncio.sleep(0)
        for session in edge.live.sessions:
            session.say(SessionIdle(0.02))
        received = await socket.rest()
        await socket.task
    assert socket.close_code == 1008
    assert received[-1]["type"] == "error"
    assert received[-1]["error"]["code"] == "session_idle"
    assert not any(message["type"] == "error" and message["error"]["type"] == "server_error" for message in received)
    assert all(session.left for session in edge.live.sessions)
    assert edge.access.visitors == 0


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[Edge, str]]:
    edge = Edge()
    edge.access.key = "rs_good"
    with served(edge) as url:
        yield edge, url.replace("http://", "ws://")


async def _until(connection: AsyncRealtimeConnection, kind: str) -> Any:
    async for event in connection:
        if event.type == kind:
            return event
    raise EOFError


async def test_the_sdk(service: tuple[Edge, str]) -> None:
    edge, url = service
    client = AsyncOpenAI(api_key="rs_good", websocket_base_url=f"{url}/v1")
    async with client, client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        created = await _until(connection, "session.created")
        assert created.session.type == "transcription"
        await connection.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
                        "turn_detection": {
                            "type": "server_vad",
                            "threshold": 0.5,
                            "prefix_padding_ms": 300,
                            "silence_duration_ms": 500,
                        },
                    }
                },
            }
        )
        updated = await _until(connection, "session.updated")
        assert updated.session.audio.input.transcription.model == "gpt-4o-transcribe"
        await connection.input_audio_buffer.append(audio=base64.b64encode(SECOND).decode())
        deltas = ""
        async for event in connection:
            if event.type == "conversation.item.input_audio_transcription.delta":
                deltas += event.delta or ""
            if event.type == "conversation.item.input_audio_transcription.completed":
                break
        assert event.type == "conversation.item.input_audio_transcription.completed"
        assert event.transcript == deltas == "Hello there."
        assert event.usage.type == "duration"
        await connection.input_audio_buffer.clear()
        assert (await _until(connection, "input_audio_buffer.cleared")).event_id
        await connection.input_audio_buffer.commit()
        error = await _until(connection, "error")
        assert error.error.code == "input_audio_buffer_commit_empty"
    assert edge.live.sessions[-1].audio == SECOND


async def test_the_beta_of_the_sdk(service: tuple[Edge, str]) -> None:
    _, url = service
    client = AsyncOpenAI(api_key="rs_good", websocket_base_url=f"{url}/v1")
    connecting = client.beta.realtime.connect(model="whisper-1", extra_query={"intent": "transcription"})
    async with client, connecting as connection:
        created = (await connection.recv()).to_dict()
        assert created["type"] == "transcription_session.created"
        await connection.transcription_session.update(session={"input_audio_transcription": {"language": "en"}})
        updated = await connection.recv()
        assert updated.type == "transcription_session.updated"
        assert updated.session.input_audio_transcription is not None
        assert updated.session.input_audio_transcription.language == "en"


async def test_the_sdk_with_a_bad_key(service: tuple[Edge, str]) -> None:
    _, url = service
    client = AsyncOpenAI(api_key="rs_bad", websocket_base_url=f"{url}/v1")
    async with client:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await client.realtime.connect(extra_query={"intent": "transcription"}).enter()
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"")["error"]["code"] == "invalid_api_key"


async def test_a_browser(service: tuple[Edge, str]) -> None:
    _, url = service
    offered = [websockets.Subprotocol(name) for name in ("realtime", "openai-insecure-api-key.rs_good")]
    async with websockets.connect(f"{url}{URL}", subprotocols=offered) as socket:
        assert socket.subprotocol == "realtime"
        assert json.loads(await socket.recv())["type"] == "session.created"
