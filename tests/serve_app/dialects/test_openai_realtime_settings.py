from __future__ import annotations

from typing import Any

import pytest

from deployments.contracts import VocabularyTerm, Word
from serve_app.engine_settings import RecognitionSettings
from serve_app.live.contracts import AudioFormat, Encoding, Final, SpeechStarted
from serve_app.settings import Settings
from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge
from tests.serve_app.dialects.edge_fixtures import socket_to
from tests.serve_app.dialects.openai_realtime import APPEND, CLEAR, COMMIT, INPUT, SECOND, TEXT, URL, append, update

pytestmark = pytest.mark.unit

socket = socket_to(URL)


async def test_the_largest_vocabulary_is_taken_however_it_is_written(edge: Edge, socket: AsgiSocket) -> None:
    keywords = [f"{n}, {'अ' * 90}"[:100] for n in range(10_000)]
    socket.say(update(transcription={"keywords": keywords}))
    session = (await socket.read_until("session.updated"))["session"]
    assert session["audio"]["input"]["transcription"]["keywords"] == keywords


async def test_a_message_of_too_many_values_is_not_read(edge: Edge, socket: AsgiSocket) -> None:
    socket.say('{"type": "x", "event_id": [' + "[]," * 50_000 + "[]]}")
    assert (await socket.read_until("error"))["error"]["code"] == "message_too_large"
    await socket.rest()
    assert socket.close_code == 1009


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


@pytest.mark.parametrize(
    ("first", "then", "rate_hz"),
    [
        ({"type": "audio/pcm", "rate": 16000}, {"type": "audio/pcm"}, 16_000),
        ({"type": "audio/pcm", "rate": 16000}, {"type": "audio/pcm", "rate": None}, 24_000),
        ({"type": "audio/pcm", "rate": 16000}, {"type": "audio/pcma"}, 8000),
        ({"type": "audio/pcmu", "rate": 8000}, {"type": "audio/pcm"}, 24_000),
    ],
)
async def test_a_rate_stays_while_the_type_does(
    edge: Edge, socket: AsgiSocket, first: dict[str, Any], then: dict[str, Any], rate_hz: int
) -> None:
    for written in (first, then):
        socket.say(update(format=written))
        await socket.read_until("session.updated")
    socket.say(APPEND)
    await socket.read_until(f"{TEXT}.completed")
    assert edge.live.sessions[0].options.audio.sample_rate_hz == rate_hz


async def test_pcm_of_the_beta_has_its_one_rate(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(update(format={"type": "audio/pcm", "rate": 16000}))
    socket.say({"type": "transcription_session.update", "session": {"input_audio_format": "pcm16"}})
    socket.say(APPEND)
    await socket.read_until(f"{TEXT}.completed")
    assert edge.live.sessions[0].options.audio.sample_rate_hz == 24_000


@pytest.mark.parametrize(("name", "encoding"), [("audio/pcmu", Encoding.MULAW), ("audio/pcma", Encoding.ALAW)])
async def test_telephony(edge: Edge, socket: AsgiSocket, name: str, encoding: Encoding) -> None:
    socket.say(update(format={"type": name}))
    socket.say(APPEND)
    await socket.read_until(f"{TEXT}.completed")
    assert edge.live.sessions[0].options.audio == AudioFormat(encoding, 8000)


async def test_the_beta_form(edge: Edge, socket: AsgiSocket) -> None:
    session = {
        "modalities": ["text"],
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


async def test_what_is_left_empty_is_found_out(edge: Edge, socket: AsgiSocket) -> None:
    """As LiveKit sends it."""
    transcription = {"model": "gpt-4o-mini-transcribe", "prompt": "", "language": ""}
    turns = {"type": "server_vad", "silence_duration_ms": 350}
    session = {"input_audio_transcription": transcription, "turn_detection": turns}
    socket.say({"type": "transcription_session.update", "session": session})
    await socket.read_until("transcription_session.updated")
    socket.say(update(transcription={"languages": [""], "keywords": [""], "delay": ""}))
    await socket.read_until("session.updated")
    socket.say(APPEND)
    await socket.read_until(f"{TEXT}.completed")
    options = edge.live.sessions[0].options
    assert (options.language, options.candidates, options.end_silence_s) == (None, (), 0.35)


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
        ({"modalities": ["text", "audio"]}, "session.modalities.1"),
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


LITTLE = b"\1\2" * 480
"""Of the first audio, 20 ms at 24 kHz: as much as a microphone gives before the settings are told."""
MANUAL = update(format={"type": "audio/pcm", "rate": 16000}, transcription={"language": "en"}, turn_detection=None)


async def test_the_first_settings_may_come_behind_the_first_audio(edge: Edge, socket: AsgiSocket) -> None:
    """As Pipecat sends them, which connects again where they are refused."""
    socket.say(append(LITTLE))
    socket.say(append(LITTLE))
    socket.say(MANUAL)
    await socket.read_until("session.updated")
    socket.say(append(SECOND))
    socket.say(COMMIT)
    await socket.read_until(f"{TEXT}.completed")
    (session,) = edge.live.sessions
    assert session.audio == LITTLE + LITTLE + SECOND
    assert (session.options.endpointing, session.options.language) == (False, "en")
    assert session.options.audio.sample_rate_hz == 16_000


@pytest.mark.parametrize("update_message", [None, update(transcription={"language": "xx"})], ids=["none", "refused"])
async def test_audio_waits_half_a_second_for_settings(
    edge: Edge, socket: AsgiSocket, update_message: dict[str, Any] | None
) -> None:
    if update_message is not None:
        socket.say(append(LITTLE))
        socket.say(update_message)
        await socket.read_until("error")
    for _ in range(24 if update_message else 25):
        socket.say(append(LITTLE))
    await socket.read_until(f"{TEXT}.completed")
    assert edge.live.sessions[0].messages == [LITTLE * 25]
    socket.say(MANUAL)
    assert (await socket.read_until("error"))["error"]["param"] == f"{INPUT}.format"


async def test_settings_before_the_audio_let_it_be_heard_at_once(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(update(transcription={"language": "en"}))
    socket.say(append(LITTLE))
    await socket.read_until(f"{TEXT}.completed")
    assert edge.live.sessions[0].audio == LITTLE


async def test_what_waits_is_heard_with_a_commit_and_forgotten_by_a_clear(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(append(LITTLE))
    socket.say(CLEAR)
    await socket.read_until("input_audio_buffer.cleared")
    for _ in range(5):
        socket.say(append(LITTLE))
    socket.say(COMMIT)
    await socket.read_until("input_audio_buffer.committed")
    assert edge.live.sessions[0].audio == LITTLE * 5


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
    ("part", "content", "named"),
    [
        ("format", {"type": "audio/pcmu"}, "format"),
        ("transcription", {"model": "any", "keywords": ["Rayscribe"]}, "transcription.keywords"),
        ("transcription", {"language": "en"}, "transcription.language"),
        ("transcription", {"delay": "xhigh"}, "transcription.delay"),
        ("transcription", {"model": "second"}, "transcription.model"),
        ("turn_detection", None, "turn_detection"),
        ("turn_detection", {"threshold": 0.9}, "turn_detection.threshold"),
        ("turn_detection", {"prefix_padding_ms": 0, "silence_duration_ms": 900}, "turn_detection.silence_duration_ms"),
    ],
)
async def test_what_cannot_change_once_audio_has_come(part: str, content: dict[str, Any] | None, named: str) -> None:
    edge = Edge(Settings(recognizers={"second": RecognitionSettings()}))
    async with asgi_socket(edge.app, URL) as socket:
        socket.say(APPEND)
        await socket.read_until(f"{TEXT}.completed")
        socket.say(update(**{part: content}))
        assert (await socket.read_until("error"))["error"]["param"] == f"{INPUT}.{named}"
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
