"""Clients of 60db's live sessions as its vendor publishes them, over real sockets."""

from __future__ import annotations

import json
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.fakes.edge import Edge, FakeAccess
from tests.serve_app.dialects.edge_fixtures import serving
from tests.serve_app.dialects.sixtydb_live import AUDIO, START, STOP, URL

pytestmark = pytest.mark.unit

service = serving(lambda: Edge(access=FakeAccess(key="sk_live_good")), "ws")


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
