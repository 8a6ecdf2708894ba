from __future__ import annotations

import json
from typing import Any

import pytest
import websockets
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tests.fakes.edge import Edge, FakeAccess
from tests.serve_app.dialects.edge_fixtures import serving
from tests.serve_app.dialects.openai_realtime import APPEND, SECOND, URL

pytestmark = pytest.mark.unit

service = serving(lambda: Edge(access=FakeAccess(key="rs_good")), "ws")


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
        await connection.input_audio_buffer.append(audio=APPEND["audio"])
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
