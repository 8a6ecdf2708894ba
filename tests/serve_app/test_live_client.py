from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from serve_app.client import ListenError
from serve_app.live_client import (
    PIECE_BYTES,
    ErrorEvent,
    LiveEvent,
    LiveRequest,
    LiveTranscript,
    Pace,
    SpeechEvent,
    live_session,
)
from tests.fakes.certificates import server_context
from tests.fakes.live_server import LiveServer, error, transcript
from tests.fakes.scripted_http import fixed, response, scripted_server
from tests.fakes.virtual_time import run_virtually

pytestmark = pytest.mark.unit

_PIECE = b"\1\0" * (PIECE_BYTES // 2)


async def _talk(server: str, pieces: int = 3, request: LiveRequest | None = None) -> list[LiveEvent]:
    async with live_session(server, None, request or LiveRequest()) as session:
        for _ in range(pieces):
            await session.send(_PIECE)
        await session.close()
        return [event async for event in session.events()]


async def test_events_come_as_they_were_sent(live_server: LiveServer) -> None:
    partial = transcript("hello", 0.0, 0.1, is_final=False)
    live_server.script = {
        PIECE_BYTES: [{"type": "speech_started", "session_id": "live_1", "timestamp": 0.05}],
        2 * PIECE_BYTES: [partial],
    }
    live_server.last = [transcript("Hello.", 0.0, 0.2, language="en", is_last=True)]
    started, hello, last = await _talk(live_server.url)
    assert isinstance(started, SpeechEvent)
    assert (started.type, started.timestamp) == ("speech_started", 0.05)
    assert json.loads(hello.model_dump_json(exclude_unset=True)) == partial
    assert isinstance(last, LiveTranscript)
    assert [(word.word, word.end) for word in last.words] == [("Hello.", 0.2)]
    assert bytes(live_server.audio) == 3 * _PIECE
    assert live_server.controls == ["close_stream"]


async def test_only_what_is_asked_is_in_the_query(live_server: LiveServer) -> None:
    always = {"model": "pulse", "encoding": "linear16", "sample_rate": "16000", "word_timestamps": "true"}
    await _talk(live_server.url)
    request = LiveRequest("en", "Ray Serve:2,Rayscribe", diarize=True, speech_events=True, end_silence_ms=300)
    await _talk(live_server.url + "/behind/a/proxy", request=request)
    asked = {
        "language": "en",
        "keywords": "Ray Serve:2,Rayscribe",
        "diarize": "true",
        "vad_events": "true",
        "eou_timeout_ms": "300",
    }
    assert live_server.queries == [always, {**always, **asked}]


async def test_the_key_travels_in_the_header(live_server: LiveServer) -> None:
    async with live_session(live_server.url, "secret", LiveRequest()):
        pass
    assert live_server.authorizations == ["Bearer secret"]


async def test_finalize_is_no_end(live_server: LiveServer) -> None:
    async with live_session(live_server.url, None, LiveRequest()) as session:
        await session.finalize()
        await session.close()
        assert len([event async for event in session.events()]) == 1
    assert live_server.controls == ["finalize", "close_stream"]


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (json.dumps({"message": "Invalid key", "error_code": "UNAUTHENTICATED"}), "Invalid key", "UNAUTHENTICATED"),
        ("<html>", "HTTP 401 Unauthorized", "HTTP_401"),
        ("[1]", "HTTP 401 Unauthorized", "HTTP_401"),
    ],
)
async def test_a_refusal_is_told_in_the_servers_words(
    live_server: LiveServer, body: str, message: str, code: str
) -> None:
    live_server.refusal = (401, body)
    with pytest.raises(ListenError) as refused:
        await _talk(live_server.url)
    assert (refused.value.message, refused.value.code, refused.value.status) == (message, code, 401)


async def test_an_error_message_ends_the_events(live_server: LiveServer) -> None:
    live_server.script = {PIECE_BYTES: [transcript("One", 0.0, 0.1), error("Too fast", "AUDIO_TOO_FAST")]}
    live_server.close_code = 1008
    async with live_session(live_server.url, None, LiveRequest()) as session:
        await session.send(_PIECE)
        events = session.events()
        one = await anext(events)
        with pytest.raises(ListenError, match=r"Too fast \(AUDIO_TOO_FAST\)"):
            await anext(events)
    assert isinstance(one, LiveTranscript)
    assert one.transcript == "One"


async def test_a_lost_utterance_is_an_event(live_server: LiveServer) -> None:
    lost = error("A worker stopped", "UTTERANCE_LOST")
    live_server.script = {PIECE_BYTES: [lost, transcript("", 0.0, 0.1)]}
    told, empty, *_ = await _talk(live_server.url)
    assert isinstance(told, ErrorEvent)
    assert (told.message, isinstance(empty, LiveTranscript)) == ("A worker stopped", True)


@pytest.mark.parametrize("close_code", [1000, 1011])
async def test_a_close_without_last_words_is_a_loss(live_server: LiveServer, close_code: int) -> None:
    live_server.close_code = close_code
    async with live_session(live_server.url, None, LiveRequest()) as session:
        await session.send(_PIECE)
        with pytest.raises(ListenError) as lost:
            await anext(session.events())
        # The loss is told once: whoever still sends is not troubled with it.
        await session.send(_PIECE)
        await session.close()
    assert lost.value.code == "CONNECTION_LOST"


@pytest.mark.parametrize(
    ("behind", "close_code", "reason"),
    [([], 1012, "1012"), ([error("This server is going away", "SERVICE_UNAVAILABLE")], 1000, "going away")],
)
async def test_last_words_are_no_end_before_the_close_says_so(
    live_server: LiveServer, behind: list[dict[str, object]], close_code: int, reason: str
) -> None:
    live_server.script = {PIECE_BYTES: [transcript("One", 0.0, 0.1, is_last=True), *behind]}
    live_server.close_code = close_code
    async with live_session(live_server.url, None, LiveRequest()) as session:
        await session.send(_PIECE)
        events = session.events()
        assert (await anext(events)).type == "transcription"
        with pytest.raises(ListenError, match=reason):
            await anext(events)


@pytest.mark.parametrize("message", ["{}", "no json", '{"type": "weather"}', '{"type": "transcription"}'])
async def test_what_no_rayscribe_says_is_refused(live_server: LiveServer, message: str) -> None:
    live_server.script = {PIECE_BYTES: [message]}
    with pytest.raises(ListenError, match="not a message of Rayscribe"):
        await _talk(live_server.url)


async def test_nobody_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ListenError) as missing:
        await _talk(f"http://127.0.0.1:{port}")
    assert missing.value.code == "UNREACHABLE"


async def test_a_certificate_that_nobody_trusts_is_told_as_such(tmp_path: Path) -> None:
    async with scripted_server(fixed(response(200)), server_context("localhost", tmp_path)) as server:
        with pytest.raises(ListenError, match="self-signed") as refused:
            await _talk(f"https://localhost:{server.port}")
    assert refused.value.code == "TLS_FAILED"


def test_a_pace_is_that_of_speech_and_makes_up_for_delays() -> None:
    async def due() -> list[float]:
        loop = asyncio.get_running_loop()
        pace, begun_s, seen = Pace(speed=2.0, lead_s=1.0), loop.time(), []
        for audio_s in (0.5, 1.0, 2.0, 3.0, 4.0):
            await pace.wait_until(audio_s)
            seen.append(loop.time() - begun_s)
            if audio_s == 2.0:
                await asyncio.sleep(1.2)
        return seen

    assert run_virtually(due) == pytest.approx([0.0, 0.0, 0.5, 1.7, 1.7])
