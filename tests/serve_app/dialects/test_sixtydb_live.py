"""What is said in 60db's live sessions."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.errors import StageLost
from serve_app.live.contracts import AudioFormat, Encoding, Final, SessionEnded
from tests.fakes.asgi_socket import AsgiSocket
from tests.fakes.edge import Edge
from tests.fakes.live import EMPTY_FINAL, UTTERANCE, WORDS, LiveScript
from tests.serve_app.dialects.edge_fixtures import socket_to
from tests.serve_app.dialects.sixtydb_live import AUDIO, HANDSHAKE, PCM, SAID, START, STARTED, STOP, URL, kinds

pytestmark = pytest.mark.unit

socket = socket_to(URL)


def untimed(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in message.items() if name != "timestamp"} for message in messages]


async def test_a_session_from_its_handshake_to_its_bill(edge: Edge, socket: AsgiSocket) -> None:
    for message in (START, AUDIO, STOP):
        socket.say(message)
    messages = await socket.rest()
    assert all(message["timestamp"] > 1_700_000_000 for message in messages)
    session_id = messages[3]["session_id"]
    words = [
        {"word": "Hello", "start": 0.1, "end": 0.4, "confidence": 0.9},
        {"word": "there.", "start": 0.5, "end": 0.9, "confidence": 0.8},
    ]
    partial = {
        "type": "transcription",
        "language": "en",
        "is_final": False,
        "speech_final": False,
        "is_partial": True,
        "sentence_id": 1,
        "start": 0.1,
        "processing_mode": "streaming",
        "snr_db": None,
        "llm_applied": False,
    }
    assert untimed(messages) == [
        {"type": "connecting", "connecting": True, "message": "Connecting"},
        {
            "type": "connection_established",
            "connection_established": {
                "service": "stt",
                "user_id": "user-1",
                "credit_balance": None,
                "workspace": "local",
            },
        },
        {
            "type": "connected",
            "server_info": {"server_type": "Rayscribe", "model": "moonshine-tiny-en", "ready": True},
        },
        {
            "type": "session_started",
            "session_id": session_id,
            "language": "EN",
            "config": {
                "encoding": "linear",
                "sample_rate": 16000,
                "utterance_end_ms": 500,
                "interim_results_frequency": 800,
                "diarize": False,
            },
            "warnings": [],
            "warning_codes": [],
        },
        {"type": "speech_started", "start": 0.1},
        partial | {"text": "Hello", "confidence": 0.9, "end": 0.4, "duration": 0.3, "words": words[:1]},
        partial | {"text": "Hello there.", "confidence": 0.85, "end": 0.9, "duration": 0.8, "words": words},
        partial
        | {
            "text": "Hello there.",
            "confidence": 0.85,
            "is_final": True,
            "speech_final": True,
            "is_partial": False,
            "end": 0.9,
            "duration": 0.8,
            "processing_mode": "speech_end",
            "snr_db": 21.0,
            "words": words,
        },
        {
            "type": "session_stopped",
            "session_id": session_id,
            "billing_summary": {"total_duration_seconds": 1.0, "total_cost": 0.0},
        },
    ]
    assert socket.close_code == 1000
    session = edge.live.sessions[0]
    assert (session.audio, session.closes, session.left) == (PCM, 1, True)
    assert session.options.request_id == session_id
    assert (session.options.language, session.options.candidates) == ("en", ())
    assert edge.access.dialects == ["sixtydb"]


async def test_no_message_but_an_error_says_error(edge: Edge, socket: AsgiSocket) -> None:
    for message in (START, AUDIO, STOP):
        socket.say(message)
    assert not any("error" in message for message in await socket.rest())


async def test_a_telephone_sends_no_start(edge: Edge, socket: AsgiSocket) -> None:
    ulaw = b"\xff" * 480
    socket.say(ulaw)
    socket.say(STOP)
    assert kinds(await socket.rest()) == [*HANDSHAKE, *STARTED, *SAID, "session_stopped"]
    session = edge.live.sessions[0]
    assert (session.options.audio, session.audio) == (AudioFormat(Encoding.MULAW, 8000), ulaw)


async def test_binary_audio_is_what_start_named(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(START)
    socket.say(PCM)
    await socket.read_until("transcription")
    assert (edge.live.sessions[0].options.audio, edge.live.sessions[0].audio) == (AudioFormat(), PCM)


async def test_one_utterance_ends_a_session_that_is_not_continuous(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(START | {"config": {"continuous_mode": False}})
    for _ in range(3):
        socket.say(AUDIO)
    assert kinds(await socket.rest()) == [*HANDSHAKE, *STARTED, *SAID, "session_stopped"]
    assert socket.close_code == 1000


async def test_the_mode_can_change(edge: Edge, socket: AsgiSocket) -> None:
    edge.live.script = LiveScript({1: [EMPTY_FINAL], 2: UTTERANCE})
    socket.say(START)
    socket.say({"type": "config", "languages": None, "continuous_mode": False})
    changed = await socket.read_until("language_changed")
    assert (changed["language"], changed["language_code"]) == ("Auto-detect", None)
    mode = await socket.read()
    assert (mode["type"], mode["continuous_mode"], mode["mode_name"]) == ("mode_changed", False, "single_utterance")
    assert mode["silence_threshold"] == 0.5
    socket.say(AUDIO)
    empty = await socket.read_until("transcription")
    assert (empty["text"], empty["speech_final"]) == ("", True)
    assert empty["processing_mode"] == "speech_end_no_result"
    socket.say(AUDIO)
    assert kinds(await socket.rest()) == [*SAID, "session_stopped"]


async def test_a_stop_without_a_session_costs_nothing(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(STOP)
    *before, stopped = await socket.rest()
    assert kinds(before) == HANDSHAKE
    assert stopped["billing_summary"] == {"total_duration_seconds": 0.0, "total_cost": 0.0}
    assert (socket.close_code, edge.live.sessions) == (1000, [])


async def test_the_bill_is_what_the_ledger_charges(edge: Edge, socket: AsgiSocket) -> None:
    edge.live.script = LiveScript(ended=SessionEnded(20.0, 12.4, cost_micros=806))
    for message in (START, AUDIO, STOP):
        socket.say(message)
    stopped = (await socket.rest())[-1]
    assert stopped["billing_summary"] == {"total_duration_seconds": 12.4, "total_cost": 0.000806}


async def test_speakers_are_named(edge: Edge, socket: AsgiSocket) -> None:
    said = Final(0, "Hello there.", WORDS, 0.1, 0.9, "en", speaker="SPEAKER_00")
    edge.live.script = LiveScript({1: [said]})
    for message in (START | {"config": {"diarize": True}}, AUDIO):
        socket.say(message)
    assert (await socket.read_until("transcription"))["speaker"] == "SPEAKER_00"


async def test_a_lost_utterance_is_an_error_and_an_empty_final_and_the_session_goes_on(
    edge: Edge, socket: AsgiSocket
) -> None:
    lost = Final(0, "", (), 0.0, 0.9, None, failure=StageLost("a replica is gone"))
    edge.live.script = LiveScript({1: [lost, *UTTERANCE[-1:]]})
    socket.say(START)
    socket.say(AUDIO)
    error = await socket.read_until("error")
    assert error["error_code"] == "STT_UPSTREAM_UNAVAILABLE"
    empty, final = await socket.read(), await socket.read()
    assert (empty["processing_mode"], empty["text"]) == ("speech_end_no_result", "")
    assert final["text"] == "Hello there."
    assert socket.close_code is None


async def test_the_sockets_have_a_health_of_their_own(edge: Edge) -> None:
    answer = await edge.client.get("/ws/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
