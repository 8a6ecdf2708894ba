"""Sockets of the real service, and their place among a user's requests."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
import soxr
from openai import AsyncOpenAI
from ray import serve
from smallestai import SmallestAI
from smallestai.environment import SmallestAIEnvironment
from smallestai.waves.helpers import stream_speech_to_text
from smallestai.waves.speech_to_text.types.close_stream import CloseStream
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from deployments.contracts import SAMPLE_RATE_HZ
from serve_app.settings import Settings, StorageSettings
from tests.cluster.service import RunningService, eventually
from tests.cluster.stand_in import APPLICATION, CAP, StandIn
from tests.cluster.stand_in_graph import stand_in_app
from tests.fakes.recordings import recording

pytestmark = [
    pytest.mark.cluster,
    # smallestai looks for names of old versions of websockets.
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]

LIVE = "/waves/v1/stt/live?model=pulse&language=en"
STEP_BYTES = SAMPLE_RATE_HZ // 10 * 2


def speech(seconds: float, rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    samples = recording("two_cities")[: int(seconds * SAMPLE_RATE_HZ)]
    if rate_hz != SAMPLE_RATE_HZ:
        samples = soxr.resample(samples, SAMPLE_RATE_HZ, rate_hz)
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def socket_url(http_url: str) -> str:
    return http_url.replace("http://", "ws://")


async def messages_of(socket: ClientConnection) -> AsyncIterator[dict[str, Any]]:
    with contextlib.suppress(ConnectionClosed):
        async for message in socket:
            yield json.loads(message)


def test_speech_becomes_partials_and_a_final(service: RunningService) -> None:
    async def conversation() -> tuple[list[dict[str, Any]], int | None]:
        async with connect(socket_url(service.url) + LIVE + "&word_timestamps=true") as socket:
            audio = speech(8)
            for start in range(0, len(audio), STEP_BYTES):
                await socket.send(audio[start : start + STEP_BYTES])
                await asyncio.sleep(0.1)
            await socket.send(json.dumps({"type": "close_stream"}))
            said = [message async for message in messages_of(socket)]
        return said, socket.close_code

    said, code = asyncio.run(conversation())
    finals = [message for message in said if message["is_final"]]
    assert code == 1000
    assert said[-1]["is_last"]
    assert sum(message["is_last"] for message in said) == 1
    assert any(not message["is_final"] for message in said)
    assert "best of times" in " ".join(message["transcript"] for message in finals)
    starts_s = [word["start"] for message in finals for word in message["words"]]
    assert starts_s == sorted(starts_s)


def test_openais_sdk_hears_what_was_said_and_its_deltas_only_grow(service: RunningService) -> None:
    async def conversation() -> tuple[str, str]:
        async with (
            AsyncOpenAI(api_key="any", websocket_base_url=f"{socket_url(service.url)}/v1") as client,
            client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
        ):
            await connection.session.update(
                session={
                    "type": "transcription",
                    "audio": {
                        "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": None},
                    },
                }
            )
            await connection.input_audio_buffer.append(audio=base64.b64encode(speech(6, 24_000)).decode())
            await connection.input_audio_buffer.commit()
            deltas = ""
            async for event in connection:
                if event.type == "conversation.item.input_audio_transcription.delta":
                    deltas += event.delta or ""
                if event.type == "conversation.item.input_audio_transcription.completed":
                    return deltas, event.transcript
                assert event.type != "error", event
        raise AssertionError("the connection ended before the transcript came")

    deltas, transcript = asyncio.run(conversation())
    assert "best of times" in transcript
    assert deltas == transcript


def test_smallestais_helper_hears_what_was_said(service: RunningService) -> None:
    url = service.url
    environment = SmallestAIEnvironment(atoms=url, waves=url, waves_ws=socket_url(url), payment=url)
    client = SmallestAI(environment=environment, api_key="any")
    with stream_speech_to_text(client, language="en", sample_rate=SAMPLE_RATE_HZ) as socket:
        audio = speech(6)
        for start in range(0, len(audio), STEP_BYTES):
            socket.send_audio_chunk_out(audio[start : start + STEP_BYTES])
        socket.send_close_stream(CloseStream(type="close_stream"))
        events = list(socket)
    assert "best of times" in " ".join(event.transcript or "" for event in events if event.is_final)


def test_sixtydbs_conversation(service: RunningService) -> None:
    async def conversation() -> list[dict[str, Any]]:
        async with connect(f"{socket_url(service.url)}/ws/stt?apiKey=any") as socket:
            await socket.send(json.dumps({"type": "start", "languages": ["en"], "config": {"sample_rate": 16000}}))
            audio = speech(6)
            for start in range(0, len(audio), STEP_BYTES):
                piece = base64.b64encode(audio[start : start + STEP_BYTES]).decode()
                await socket.send(json.dumps({"type": "audio", "audio": piece}))
            await socket.send(json.dumps({"type": "stop"}))
            return [message async for message in messages_of(socket)]

    said = asyncio.run(conversation())
    finals = [message["text"] for message in said if message.get("type") == "transcription" and message["is_final"]]
    assert "best of times" in " ".join(finals)
    assert said[-1]["type"] == "session_stopped"
    assert said[-1]["billing_summary"]["total_duration_seconds"] == pytest.approx(6, abs=0.2)


def test_sockets_and_requests_share_a_users_cap_and_a_client_that_vanishes_gives_it_back(stand_in: StandIn) -> None:
    url = f"{socket_url(stand_in.service.url)}/{APPLICATION}{LIVE}&token={stand_in.crowd_key}"

    async def fill_the_cap() -> None:
        async with contextlib.AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(connect(url)) for _ in range(CAP)]
            async with stand_in.client(stand_in.crowd_key) as client:
                refused = await client.post("/v1/listen", files={"audio": b"RIFF"})
                assert refused.status_code == 429
                async with connect(url) as one_too_many:
                    said = [message async for message in messages_of(one_too_many)]
                assert one_too_many.close_code == 1008
                assert [message["type"] for message in said] == ["error"]
                # No goodbye: the connections are cut.
                for socket in sockets:
                    socket.transport.abort()
                assert await asyncio.to_thread(eventually, lambda: stand_in.leases() == 0, 10)
                assert (await client.post("/v1/listen", files={"audio": b"RIFF"})).status_code == 200

    asyncio.run(fill_the_cap())


def test_a_socket_without_a_good_key_is_refused(stand_in: StandIn) -> None:
    url = f"{socket_url(stand_in.service.url)}/{APPLICATION}{LIVE}"

    async def refused(query: str) -> int:
        with pytest.raises(InvalidStatus) as caught:
            await connect(url + query)
        return int(caught.value.response.status_code)

    assert asyncio.run(refused("")) == 401
    assert asyncio.run(refused("&token=rs_wrong")) == 401


@pytest.fixture
def leaving(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An application of its own, to be taken down."""
    settings = Settings(storage=StorageSettings(folder=str(tmp_path_factory.mktemp("leaving"))))
    app = stand_in_app(settings, ingress_replicas=1, recognition_s=0.1)
    serve.run(app, name="leaving", route_prefix="/leaving")
    yield f"{socket_url(service.url)}/leaving{LIVE}"
    with contextlib.suppress(Exception):
        serve.delete("leaving")


def test_a_replica_that_leaves_says_so(leaving: str) -> None:
    async def until_it_leaves() -> tuple[list[dict[str, Any]], int | None, float]:
        async with connect(leaving) as socket:
            audio = itertools.cycle([b"\0" * STEP_BYTES])

            async def speak() -> None:
                with contextlib.suppress(ConnectionClosed):
                    for piece in audio:
                        await socket.send(piece)
                        await asyncio.sleep(0.1)

            speaking = asyncio.create_task(speak())
            await asyncio.sleep(1)
            deleting = asyncio.create_task(asyncio.to_thread(serve.delete, "leaving"))
            began_s = time.monotonic()
            said = [message async for message in messages_of(socket)]
            took_s = time.monotonic() - began_s
            await asyncio.gather(speaking, deleting)
        return said, socket.close_code, took_s

    said, code, _ = asyncio.run(until_it_leaves())
    assert code == 1012
    # One error, at the end: it speaks on, which is no mistake, and has not asked for the last words.
    assert [message for message in said if message["type"] == "error"] == said[-1:]
    assert not any(message.get("is_last") for message in said)
