from __future__ import annotations

from typing import Any

import openai
import pytest
import websockets
from openai import AsyncOpenAI

from deployments.contracts import VocabularyTerm
from deployments.errors import ConcurrencyLimitReached
from serve_app.byte_budget import ByteBudget
from serve_app.live.contracts import AudioFormat, Encoding
from serve_app.vocabulary_limits import MOST_TERM_CHARACTERS, MOST_TERMS
from tests.fakes.asgi_socket import asgi_socket
from tests.fakes.edge import Edge, FakeAccess
from tests.fakes.openai_sdk import openai_client
from tests.serve_app.dialects.edge_fixtures import serving
from tests.serve_app.dialects.openai_realtime import APPEND, COMMIT, TEXT

pytestmark = pytest.mark.unit

SECRETS, BETA = "/v1/realtime/client_secrets", "/v1/realtime/transcription_sessions"
SESSION: dict[str, Any] = {
    "type": "transcription",
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {"language": "en", "keywords": ["Rayscribe"]},
            "turn_detection": None,
        }
    },
    "include": ["item.input_audio_transcription.logprobs"],
}


async def test_a_secret_and_what_its_sessions_begin_with(edge: Edge, sdk: AsyncOpenAI) -> None:
    answer = await sdk.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60},
        session=SESSION,  # type: ignore[arg-type]  # of a type
    )
    assert (answer.value, answer.expires_at, edge.access.lifetimes_s) == ("ek_0", 1_800_000_060, [60])
    session = answer.session
    assert session.type == "transcription"
    assert session.id.startswith("sess_")
    assert session.expires_at is None
    assert session.to_dict()["audio"] == {
        "input": {
            "format": {"type": "audio/pcmu"},
            "noise_reduction": None,
            "transcription": {
                "model": None,
                "language": "en",
                "languages": None,
                "prompt": None,
                "keywords": ["Rayscribe"],
                "delay": None,
            },
            "turn_detection": None,
        }
    }
    async with asgi_socket(edge.app, "/v1/realtime", {"authorization": "Bearer ek_0"}) as socket:
        created = (await socket.read())["session"]
        assert (created["audio"], created["include"]) == (session.to_dict()["audio"], SESSION["include"])
        for message in (APPEND, COMMIT):
            socket.say(message)
        await socket.read_until(f"{TEXT}.completed")
    options = edge.live.sessions[0].options
    assert options.audio == AudioFormat(Encoding.MULAW, 8000)
    assert (options.language, options.endpointing) == ("en", False)
    assert options.vocabulary == (VocabularyTerm("Rayscribe"),)


async def test_what_is_left_out_is_as_without_a_secret(edge: Edge, sdk: AsyncOpenAI) -> None:
    answer = await sdk.realtime.client_secrets.create()
    assert edge.access.lifetimes_s == [600]
    async with asgi_socket(edge.app, "/v1/realtime?intent=transcription") as socket:
        created = (await socket.read())["session"]
    assert answer.session.to_dict()["audio"] == created["audio"]
    assert edge.access.secrets == {"ek_0": "{}"}


async def test_the_client_of_a_secret_may_change_its_settings(edge: Edge, sdk: AsyncOpenAI) -> None:
    await sdk.realtime.client_secrets.create(session=SESSION)  # type: ignore[arg-type]  # of a type
    update = {"type": "transcription", "audio": {"input": {"turn_detection": {"silence_duration_ms": 900}}}}
    async with asgi_socket(edge.app, "/v1/realtime?model=whisper-1&token=ek_0") as socket:
        socket.say({"type": "session.update", "session": update})
        changed = (await socket.read_until("session.updated"))["session"]["audio"]["input"]
    assert changed["turn_detection"]["silence_duration_ms"] == 900
    assert changed["transcription"]["model"] == "whisper-1"
    assert changed["transcription"]["keywords"] == ["Rayscribe"]


@pytest.mark.parametrize("path", [SECRETS, BETA])
async def test_a_secret_has_room_for_the_longest_vocabulary(path: str) -> None:
    edge = Edge(upload_bytes=ByteBudget(8 * 1024 * 1024))
    keywords = [f"{number:05}" + "日" * (MOST_TERM_CHARACTERS - 5) for number in range(MOST_TERMS)]
    order: dict[str, Any] = {"input_audio_transcription": {"keywords": keywords}}
    if path == SECRETS:
        order = {"session": {"type": "transcription", "audio": {"input": {"transcription": {"keywords": keywords}}}}}
    async with edge.client:
        assert (await edge.client.post(path, json=order)).status_code == 200
        order["padding"] = " " * 3_000_000
        refused = await edge.client.post(path, json=order)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "body")
    assert "5242880 bytes" in refused.json()["error"]["message"]


async def test_the_order_of_a_secret_is_held_by_the_byte_budget() -> None:
    edge = Edge(upload_bytes=ByteBudget(1000))
    async with edge.client:
        assert (await edge.client.post(SECRETS, json={"padding": " " * 1000})).status_code == 503
        assert edge.upload_bytes.held_bytes == 0


async def test_a_secret_is_for_its_socket_only(edge: Edge, sdk: AsyncOpenAI) -> None:
    edge.access.key = "rs_any"
    secret = (await sdk.realtime.client_secrets.create()).value
    async with openai_client(edge.app, secret) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
        with pytest.raises(openai.AuthenticationError):
            await client.audio.transcriptions.create(file=("a.wav", b"RIFF"), model="whisper-1")
        with pytest.raises(openai.AuthenticationError):
            await client.realtime.client_secrets.create()
    for url in ("/waves/v1/stt/live?model=pulse", "/ws/stt"):
        async with asgi_socket(edge.app, url, {"authorization": f"Bearer {secret}"}) as socket:
            (refusal,) = await socket.rest()
        assert "key" in str(refusal)
        assert (socket.status, socket.close_code) in ((401, None), (None, 1008))
    async with asgi_socket(edge.app, "/v1/realtime?intent=chat", {"authorization": f"Bearer {secret}"}) as socket:
        (answer,) = await socket.rest()
    assert (socket.status, answer["error"]["param"]) == (400, "intent")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"expires_after": {"seconds": 9}}, "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "first_use"}}, "expires_after.anchor"),
        ({"session": {"type": "realtime", "model": "gpt-realtime"}}, "session.type"),
        ({"session": {}}, "session.type"),
        ({"session": None}, "session"),
        ({"session": {"type": "transcription", "voice": "alloy"}}, "session.voice"),
        (
            {"session": {"type": "transcription", "audio": {"input": {"noise_reduction": {"type": "near_field"}}}}},
            "session.audio.input.noise_reduction",
        ),
        (
            {"session": {"type": "transcription", "audio": {"input": {"transcription": {"language": "xx"}}}}},
            "session.audio.input.transcription.language",
        ),
        ({"user": "me"}, "user"),
    ],
)
async def test_a_secret_for_what_cannot_be_honoured(edge: Edge, body: dict[str, Any], param: str) -> None:
    response = await edge.client.post(SECRETS, json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert not edge.access.secrets


async def test_limits_and_keys(edge: Edge) -> None:
    edge.access.error = ConcurrencyLimitReached(1, 1)
    assert (await edge.client.post(SECRETS)).status_code == 429
    edge.access.error, edge.access.key = None, "rs_good"
    for path in (SECRETS, BETA):
        assert (await edge.client.post(path)).status_code == 401
    assert not edge.access.secrets


async def test_the_beta_makes_secrets_too(edge: Edge) -> None:
    async with openai_client(edge.app) as client:
        answer = await client.beta.realtime.transcription_sessions.create(
            client_secret={"expires_at": {"anchor": "created_at", "seconds": 30}},
            include=["item.input_audio_transcription.logprobs"],
            input_audio_format="g711_alaw",
            input_audio_transcription={"model": "gpt-4o-transcribe", "language": "en"},
            modalities=["text"],
            turn_detection={"type": "server_vad", "silence_duration_ms": 700},
        )
    assert (answer.client_secret.value, answer.client_secret.expires_at) == ("ek_0", 1_800_000_030)
    assert (answer.input_audio_format, edge.access.lifetimes_s) == ("g711_alaw", [30])
    assert answer.turn_detection is not None
    assert answer.turn_detection.silence_duration_ms == 700
    async with asgi_socket(edge.app, "/v1/realtime", {"authorization": "Bearer ek_0"}) as socket:
        created = (await socket.read())["session"]
    assert created["audio"]["input"]["format"] == {"type": "audio/pcma"}
    assert created["audio"]["input"]["transcription"]["model"] == "gpt-4o-transcribe"
    assert created["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 700
    assert created["include"] == ["item.input_audio_transcription.logprobs"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"client_secret": {"expires_at": {"seconds": 1}}}, "client_secret.expires_at.seconds"),
        ({"modalities": ["text", "audio"]}, "modalities.1"),
        ({"input_audio_format": "opus"}, "input_audio_format"),
        ({"input_audio_noise_reduction": {"type": "near_field"}}, "input_audio_noise_reduction"),
        ({"input_audio_transcription": {"language": "xx"}}, "input_audio_transcription.language"),
        ({"turn_detection": {"type": "semantic_vad"}}, "turn_detection.type"),
    ],
)
async def test_errors_of_the_beta(edge: Edge, body: dict[str, Any], param: str) -> None:
    response = await edge.client.post(BETA, json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


service = serving(lambda: Edge(access=FakeAccess(key="rs_good")))


async def test_the_sdk_with_a_secret(service: tuple[Edge, str]) -> None:
    edge, url = service
    async with AsyncOpenAI(api_key="rs_good", base_url=f"{url}/v1") as server:
        secret = await server.realtime.client_secrets.create(session=SESSION)  # type: ignore[arg-type]  # of a type
    async with (
        AsyncOpenAI(api_key=secret.value, base_url=f"{url}/v1") as client,
        client.realtime.connect(model="whisper-1") as connection,
    ):
        created = await connection.recv()
        assert created.type == "session.created"
        await connection.input_audio_buffer.append(audio=APPEND["audio"])
        await connection.input_audio_buffer.commit()
        async for event in connection:
            if event.type == f"{TEXT}.completed":
                break
        assert event.type == f"{TEXT}.completed"
    assert edge.live.sessions[-1].options.audio == AudioFormat(Encoding.MULAW, 8000)


async def test_a_browser_with_a_secret(service: tuple[Edge, str]) -> None:
    _, url = service
    async with AsyncOpenAI(api_key="rs_good", base_url=f"{url}/v1") as server:
        secret = await server.realtime.client_secrets.create()
    socket_url = f"{url.replace('http', 'ws')}/v1/realtime?model=whisper-1"
    offered = [websockets.Subprotocol(name) for name in ("realtime", f"openai-insecure-api-key.{secret.value}")]
    async with websockets.connect(socket_url, subprotocols=offered) as socket:
        assert socket.subprotocol == "realtime"
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(socket_url, subprotocols=[websockets.Subprotocol("openai-insecure-api-key.ek_bad")])
