"""What the tests of 60db's live sessions send, and what they expect to hear."""

from __future__ import annotations

import base64
from typing import Any

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


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]
