"""The vendor's own SDK, and a client without one, against the live service over real sockets."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
import websockets
from smallestai import AsyncSmallestAI, SmallestAI
from smallestai.environment import SmallestAIEnvironment
from smallestai.waves.helpers import stream_speech_to_text
from smallestai.waves.speech_to_text.types.close_stream import CloseStream
from smallestai.waves.speech_to_text.types.finalize_signal import FinalizeSignal
from smallestai.waves.speech_to_text.types.transcription_event import TranscriptionEvent

from deployments.contracts import TranscriptionWarning, VocabularyTerm, WarningCode
from serve_app.live.contracts import AudioFormat, Encoding, Final
from tests.fakes.edge import Edge, FakeAccess
from tests.fakes.live import UTTERANCE, WORDS, FakeLiveService, LiveScript
from tests.serve_app.dialects.edge_fixtures import serving

pytestmark = [
    pytest.mark.unit,
    # The SDK looks for names of old versions of websockets.
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]

MIXED = TranscriptionWarning(WarningCode.INLINE_CODE_SWITCH_PARTIAL, "Two scripts", (0,))
SPOKEN = Final(0, "Hello there.", WORDS, 0.1, 0.9, "en", "SPEAKER_00")

service = serving(
    lambda: Edge(
        access=FakeAccess(key="sk_good"),
        live=FakeLiveService(LiveScript({1: (*UTTERANCE[:4], SPOKEN)}, on_close=[replace(SPOKEN, warnings=(MIXED,))])),
    )
)


def environment_of(url: str) -> SmallestAIEnvironment:
    return SmallestAIEnvironment(atoms=url, waves=url, waves_ws=url.replace("http", "ws"), payment=url)


def test_a_session(service: tuple[Edge, str]) -> None:
    edge, url = service
    client = SmallestAI(environment=environment_of(url), api_key="sk_good")
    events = []
    with stream_speech_to_text(
        client,
        language="en",
        sample_rate=8000,
        encoding="mulaw",
        word_timestamps=True,
        sentence_timestamps=True,
        full_transcript=True,
        diarize=True,
        punctuate=True,
        numerals=False,
        eou_timeout_ms=300,
        finalize_on_words=True,
        max_words=20,
        vad_threshold=0.4,
        redact_pii="false",
        keywords=["Rayscribe", "Ray Serve:2"],
    ) as socket:
        socket.send_audio_chunk_out(b"audio")
        events += [socket.recv() for _ in range(3)]
        socket.send_finalize_signal(FinalizeSignal(type="finalize"))
        events.append(socket.recv())
        socket.send_close_stream(CloseStream(type="close_stream"))
        events += list(socket)
    assert all(type(event) is TranscriptionEvent for event in events)
    assert {event.type for event in events} == {"transcription"}
    assert [event.is_final for event in events] == [False, False, True, True, True]
    assert [event.from_finalize for event in events] == [None, None, None, True, None]
    assert [event.is_last for event in events] == [False, False, False, False, True]
    last = events[-1]
    assert (last.transcript, last.full_transcript) == ("Hello there.", "Hello there. Hello there.")
    assert (last.language, last.languages) == ("en", ["en"])
    assert [(word.word, word.speaker) for word in last.words or ()] == [("Hello", "0"), ("there.", "0")]
    assert [(each.text, each.speaker) for each in last.utterances or ()] == [("Hello there.", "0")]
    # Ours: the SDK has no name for them, and lets them through.
    warnings = [event.dict().get("warnings") for event in events]
    assert warnings == [None] * 4 + [[{"code": "inline_code_switch_partial", "message": "Two scripts"}]]
    options = edge.live.sessions[-1].options
    assert options.request_id == last.session_id
    assert options.audio == AudioFormat(Encoding.MULAW, 8000)
    assert (options.end_silence_s, options.max_words, options.speech_threshold) == (0.3, 20, 0.4)
    assert options.vocabulary == (VocabularyTerm("Rayscribe", 1.5), VocabularyTerm("Ray Serve", 3.0))


async def test_an_asynchronous_session(service: tuple[Edge, str]) -> None:
    client = AsyncSmallestAI(environment=environment_of(service[1]), api_key="sk_good")
    async with stream_speech_to_text(client, language="en") as socket:
        await socket.send_audio_chunk_out(b"audio")
        await socket.send_close_stream(CloseStream(type="close_stream"))
        events = [event async for event in socket]
    assert [event.is_last for event in events] == [False, False, False, True]


@pytest.mark.parametrize(
    ("key", "options", "status"),
    [
        ("sk_bad", {}, 401),
        ("sk_good", {"model": "pulse-pro"}, 400),
        ("sk_good", {"redact_pii": ["name"]}, 400),
    ],
)
def test_a_refusal_is_an_http_answer(service: tuple[Edge, str], key: str, options: dict[str, Any], status: int) -> None:
    client = SmallestAI(environment=environment_of(service[1]), api_key=key)
    with (
        # With today's websockets the SDK's own translation of it does not work.
        pytest.raises(websockets.InvalidStatus) as caught,
        stream_speech_to_text(client, language="en", **options),
    ):
        pass
    response = caught.value.response
    assert response.status_code == status
    assert json.loads(response.body)["message"]


def test_an_error_is_an_event(service: tuple[Edge, str]) -> None:
    client = SmallestAI(environment=environment_of(service[1]), api_key="sk_good")
    with stream_speech_to_text(client, language="en") as socket:
        socket.send_finalize_signal(FinalizeSignal(type="what"))
        event = socket.recv()
    # The class means nothing: the SDK's two are alike to its parser.
    assert event.type == "error"
    assert "finalize" in event.message


async def test_a_client_that_cuts_the_line_frees_its_session(service: tuple[Edge, str]) -> None:
    edge, url = service
    async with websockets.connect(url.replace("http", "ws") + "/v1/listen/stream?token=sk_good") as socket:
        await socket.send(b"audio")
        assert json.loads(await socket.recv())["type"] == "transcription"
        session = edge.live.sessions[-1]
        assert not session.left
        socket.transport.abort()

    def is_busy() -> bool:
        return not session.left or edge.access.visitors > 0

    async with asyncio.timeout(10):
        while is_busy():  # noqa: ASYNC110  # the server has a loop of its own
            await asyncio.sleep(0.01)


async def test_the_server_refuses_messages_that_no_dialect_takes(service: tuple[Edge, str]) -> None:
    url = service[1].replace("http", "ws")
    async with websockets.connect(f"{url}/v1/listen/stream?token=sk_good") as socket:
        await socket.send(bytes(17 * 2**20))
        with pytest.raises(websockets.ConnectionClosed) as caught:
            await socket.recv()
    assert caught.value.rcvd
    assert caught.value.rcvd.code == 1009
