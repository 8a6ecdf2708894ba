"""What the tests of OpenAI's realtime sessions send, and how they read what comes back."""

from __future__ import annotations

import base64
from typing import Any

from tests.fakes.asgi_socket import AsgiSocket

URL = "/v1/realtime?intent=transcription"
SECOND = b"\0\1" * 24_000


def append(audio: bytes) -> dict[str, str]:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}


APPEND = append(SECOND)
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


def update(**content: Any) -> dict[str, Any]:
    include = {"include": content.pop("include")} if "include" in content else {}
    return {"type": "session.update", "session": {"type": "transcription", "audio": {"input": content}, **include}}


def anonymous(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "event_id"}


async def read(socket: AsgiSocket, count: int) -> list[dict[str, Any]]:
    return [await socket.read() for _ in range(count)]


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]
