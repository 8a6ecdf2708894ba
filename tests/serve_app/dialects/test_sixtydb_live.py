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
from websockets.asyncio.client import ClientConnection

from deployments.contracts import SpeakerCount, VocabularyTerm
from deployments.errors import (
    ClientTooFast,
    ConcurrencyLimitReached,
    InsufficientCredits,
    Overloaded,
    RayscribeError,
    SessionIdle,
    SessionTooLong,
    StageLost,
    UnsupportedAudio,
)
from serve_app.access.plans import Feature, Plan
from serve_app.live.contracts import AudioFormat, Encoding, Final, SessionEnded
from serve_app.settings import AccessSettings, LiveSettings, Settings
from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge
from tests.fakes.edge_server import served
from tests.fakes.live import EMPTY_FINAL, UTTERANCE, WORDS, FakeLiveService, LiveScript

pytestmark = pytest.mark.unit

URL = "/ws/stt?apiKey=sk_live_good"
PCM = b"\0\1" * 800
START: dict[str, Any] = {
    "type": "start",
    "languages": ["en"],
    "config": {"encoding": "linear", "sample_rate": 16000, "utterance_end_ms": 500, "continuous_mode": True},
}
AUDIO = {"type": "audio", "audio": base64.b64encode(PCM).decode(), "encoding": "linear", "sample_rate": 16000}
STOP = {"type": "stop"}
HANDSHAKE = ["connecting", "connection_established"]
STARTED = ["connected", "session_started"]
SAID = ["speech_started", "transcription", "transcription", "transcription"]


@pytest.fixture
async def socket(edge: Edge) -> AsyncIterator[AsgiSocket]:
    async with asgi_socket(edge.app, URL) as opened:
        yield opened


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


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


async def test_what_a_start_may_say(edge: Edge, socket: AsgiSocket) -> None:
    config = {
        "encoding": "mulaw",
        "sample_rate": 8000,
        "utterance_end_ms": 300,
        "interim_results_frequency": 2000,
        "audio_enhancement": "off",
        "diarize": True,
        "min_speakers": 0,
        "max_speakers": 3,
    }
    context = {"general": [], "text": " ", "terms": ["Rayscribe", " Ray Serve", "Rayscribe", ""]}
    socket.say({"type": "start", "languages": None, "context": context, "config": config})
    started = await socket.read_until("session_started")
    assert started["warnings"] == []
    assert started["language"] == "Auto-detect"
    options = edge.live.sessions[0].options
    assert options.audio == AudioFormat(Encoding.MULAW, 8000)
    assert (options.end_silence_s, options.partials, options.partial_interval_s) == (0.3, True, 2.0)
    assert (options.language, options.diarize, options.speaker_count) == (None, True, SpeakerCount(maximum=3))
    assert options.vocabulary == (VocabularyTerm("Rayscribe", 1.5), VocabularyTerm("Ray Serve", 1.5))
    assert options.numerals


@pytest.mark.parametrize(
    ("config", "hz"), [({}, 16000), ({"encoding": "mulaw"}, 8000), ({"encoding": None, "sample_rate": 48000}, 48000)]
)
async def test_rates_by_default(edge: Edge, socket: AsgiSocket, config: dict[str, Any], hz: int) -> None:
    socket.say({"type": "start", "config": config})
    assert (await socket.read_until("session_started"))["config"]["sample_rate"] == hz
    assert edge.live.sessions[0].options.audio.sample_rate_hz == hz


async def test_partial_texts_can_be_left_out(edge: Edge, socket: AsgiSocket) -> None:
    socket.say({"type": "start", "config": {"interim_results_frequency": None}})
    assert (await socket.read_until("session_started"))["config"]["interim_results_frequency"] is None
    assert not edge.live.sessions[0].options.partials


async def test_partial_texts_do_not_come_faster_than_the_service_gives_them(edge: Edge, socket: AsgiSocket) -> None:
    socket.say({"type": "start", "config": {"interim_results_frequency": 300}})
    started = await socket.read_until("session_started")
    assert started["config"]["interim_results_frequency"] == 800
    assert edge.live.sessions[0].options.partial_interval_s == 0.8


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"languages": ["xx"]}, "languages"),
        ({"languages": ["auto"]}, "languages"),
        ({"languages": ["en"] * 6}, "languages"),
        ({"languages": "en"}, "languages"),
        ({"config": {"encoding": "opus"}}, "config.encoding"),
        ({"config": {"sample_rate": 11025}}, "config.sample_rate"),
        ({"config": {"utterance_end_ms": 299}}, "config.utterance_end_ms"),
        ({"config": {"interim_results_frequency": 100}}, "config.interim_results_frequency"),
        ({"config": {"audio_enhancement": "light"}}, "config.audio_enhancement"),
        ({"config": {"audio_enhancement": "loud"}}, "config.audio_enhancement"),
        ({"config": {"diarize": True, "max_speakers": 1000}}, "config.max_speakers"),
        ({"config": {"diarize": True, "min_speakers": 3, "max_speakers": 2}}, "min_speakers"),
        ({"config": []}, "config"),
    ],
)
async def test_a_start_that_cannot_be_honoured(
    edge: Edge, socket: AsgiSocket, change: dict[str, Any], parameter: str
) -> None:
    socket.say(START | change)
    error = await socket.read_until("error")
    assert error["details"]["parameter"] == parameter
    assert error["error"] == error["message"]
    assert not edge.live.sessions
    socket.say(START)
    await socket.read_until("session_started")


async def test_context_is_left_out_where_the_plan_has_no_refinement(edge: Edge) -> None:
    edge.access.plan = Plan(features=frozenset({Feature.DIARIZATION}))
    async with asgi_socket(edge.app, URL) as socket:
        socket.say(START | {"context": {"text": "a call about a modem", "terms": ["modem"]}})
        started = await socket.read_until("session_started")
    assert started["warning_codes"] == ["llm_refinement_not_in_plan"]
    assert edge.live.sessions[0].options.vocabulary == (VocabularyTerm("modem", 1.5),)


async def test_diarization_that_the_plan_lacks(edge: Edge) -> None:
    edge.access.plan = Plan(features=frozenset())
    async with asgi_socket(edge.app, URL) as socket:
        socket.say(START | {"config": {"diarize": True}})
        error = await socket.read_until("error")
    assert (error["error_code"], error["details"]) == ("FEATURE_NOT_IN_PLAN", {"parameter": "config.diarize"})


async def test_what_published_clients_send_without_need_is_said(edge: Edge, socket: AsgiSocket) -> None:
    config = {"audio_enhancement": "adaptive", "no_speech_threshold": 0.6}
    socket.say({"type": "start", "config": config, "model": "60db-stt-v01"})
    started = await socket.read_until("session_started")
    assert [warning["message"].split()[0] for warning in started["warnings"]] == [
        "model",
        "config.no_speech_threshold",
        "The",
    ]
    assert started["warning_codes"] == ["unknown_field", "audio_enhancement_unavailable"]


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
        ("\ud800", "INVALID_PARAMETER"),
    ],
)
async def test_messages_that_make_no_sense_before_a_start(
    edge: Edge, socket: AsgiSocket, message: dict[str, Any] | str, code: str
) -> None:
    if message == "\ud800":
        message = '{"type": "\\ud800"}'
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


async def test_a_stop_without_a_session_costs_nothing(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(STOP)
    *before, stopped = await socket.rest()
    assert kinds(before) == HANDSHAKE
    assert stopped["billing_summary"] == {"total_duration_seconds": 0.0, "total_cost": 0.0}
    assert (socket.close_code, edge.live.sessions) == (1000, [])


async def test_the_bill_is_what_the_ledger_charges() -> None:
    access = AccessSettings(billing=True)
    edge = Edge(settings=Settings(access=access), live=FakeLiveService(LiveScript(ended=SessionEnded(20.0, 12.4))))
    edge.access.plan = Plan(price_per_audio_second="0.00005")
    for diarize, cost in ((False, 0.00062), (True, 0.000806)):
        async with asgi_socket(edge.app, URL) as socket:
            for message in (START | {"config": {"diarize": diarize}}, AUDIO, STOP):
                socket.say(message)
            stopped = (await socket.rest())[-1]
            assert stopped["billing_summary"] == {"total_duration_seconds": 12.4, "total_cost": cost}


async def test_speakers_are_named(edge: Edge, socket: AsgiSocket) -> None:
    said = Final(0, "Hello there.", WORDS, 0.1, 0.9, "en", speaker="SPEAKER_00")
    edge.live.script = LiveScript({1: [said]})
    for message in (START | {"config": {"diarize": True}}, AUDIO):
        socket.say(message)
    assert (await socket.read_until("transcription"))["speaker"] == "SPEAKER_00"


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
async def test_keys(edge: Edge, place: str) -> None:
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


async def test_a_full_service(edge: Edge, socket: AsgiSocket) -> None:
    edge.live.error = Overloaded("This process holds as many sessions as it may", 5)
    socket.say(START)
    error = (await socket.rest())[-1]
    assert (error["error_code"], socket.close_code) == ("STT_UPSTREAM_UNAVAILABLE", 1013)


async def test_a_message_that_is_too_large(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(START)
    socket.say(b"\0" * (4 * 1024 * 1024 + 1))
    error = (await socket.rest())[-1]
    assert (error["error_code"], error["details"]) == ("MESSAGE_TOO_LARGE", {"max_bytes": 4 * 1024 * 1024})
    assert socket.close_code == 1009


async def test_a_client_that_says_nothing() -> None:
    edge = Edge(settings=Settings(live=LiveSettings(idle_timeout_s=0.05)))
    async with asgi_socket(edge.app, URL) as socket:
        assert kinds(await socket.rest()) == [*HANDSHAKE, "error"]
    assert socket.close_code == 1008


async def test_a_client_that_vanishes_leaves_nothing_behind(edge: Edge, socket: AsgiSocket) -> None:
    socket.say(START)
    await socket.read_until("session_started")
    socket.hang_up()
    await socket.task
    assert (edge.live.sessions[0].left, edge.access.visitors) == (True, 0)


async def test_health(edge: Edge) -> None:
    answer = await edge.client.get("/ws/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(["type", "languages", "context", "config", "audio", "sample_rate", "continuous_mode"])
KIND = st.sampled_from(["start", "audio", "config", "test", "stop"])
ANY_MESSAGE = st.one_of(
    st.sampled_from([START, AUDIO, STOP, {"type": "test"}, {"type": "config", "continuous_mode": False}, PCM]),
    st.binary(max_size=20),
    st.text(max_size=20),
    st.builds(lambda kind, more: {**more, "type": kind}, KIND, st.dictionaries(FIELDS, JSON, max_size=4)),
)


@given(messages=st.lists(ANY_MESSAGE, max_size=8), with_stop=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
async def test_whatever_a_client_says_it_is_answered_and_the_socket_closed(
    messages: list[dict[str, Any] | str | bytes], with_stop: bool
) -> None:
    edge = Edge(settings=Settings(live=LiveSettings(idle_timeout_s=0.02)))
    async with asgi_socket(edge.app, URL) as socket:
        for message in [*messages, STOP] if with_stop else messages:
            socket.say(message)
        await socket.read_until("connection_established")
        for _ in range(50 * (len(messages) + 1)):
            await asyncio.sleep(0)
        for session in edge.live.sessions:
            session.say(SessionIdle(0.02))
        received = await socket.rest()
        await socket.task
    assert socket.close_code in (1000, 1008)
    last = received[-1]["type"]
    assert (last == "session_stopped") if socket.close_code == 1000 else (last == "error")
    assert not any(message.get("error_code") == "INTERNAL_ERROR" for message in received)
    assert all(session.left for session in edge.live.sessions)
    assert edge.access.visitors == 0


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[Edge, str]]:
    edge = Edge()
    edge.access.key = "sk_live_good"
    with served(edge) as url:
        yield edge, url.replace("http://", "ws://")


async def _receive(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await socket.recv())
    return message


async def test_the_vendors_livekit_plugin(service: tuple[Edge, str]) -> None:
    """Its steps: connection_established, start, insist on connected, binary µ-law, stop, read to the end."""
    edge, url = service
    async with websockets.connect(f"{url}{URL}", ping_interval=30, ping_timeout=10) as socket:
        while not (await _receive(socket)).get("connection_established"):
            pass
        config = {"encoding": "mulaw", "sample_rate": 8000, "continuous_mode": True}
        await socket.send(json.dumps({"type": "start", "languages": ["en"], "config": config}))
        assert (await _receive(socket))["type"] == "connected"
        await socket.send(b"\xff" * 480)
        await socket.send(json.dumps(STOP))
        messages = [json.loads(message) async for message in socket]
    finals = [message["text"] for message in messages if message.get("is_final")]
    assert finals == ["Hello there."]
    assert messages[-1]["billing_summary"]["total_duration_seconds"] == 1.0
    assert edge.live.sessions[-1].audio == b"\xff" * 480


async def test_a_client_of_the_skill_with_base64(service: tuple[Edge, str]) -> None:
    _, url = service
    async with websockets.connect(f"{url}{URL}") as socket:
        while "connection_established" not in await _receive(socket):
            pass
        await socket.send(json.dumps(START))
        while (await _receive(socket))["type"] != "session_started":
            pass
        await socket.send(json.dumps(AUDIO | {"timestamp": 1_700_000_000_000}))
        while not (message := await _receive(socket)).get("speech_final"):
            assert message["type"] in {"speech_started", "transcription"}
        await socket.send(json.dumps(STOP))
        assert (await _receive(socket))["type"] == "session_stopped"
        with pytest.raises(websockets.ConnectionClosedOK):
            await socket.recv()


async def test_a_bad_key_over_the_network(service: tuple[Edge, str]) -> None:
    _, url = service
    async with websockets.connect(f"{url}/ws/stt?apiKey=sk_live_bad") as socket:
        assert (await _receive(socket))["error_code"] == "UNAUTHENTICATED"
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
