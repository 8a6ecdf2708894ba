"""A call of a load test that was answered."""

from __future__ import annotations

from typing import Any

from load_tests.load.observations import FileCall, Outcome
from load_tests.load.plan import FileApi


def call(due_s: float, ended_s: float, audio_s: float = 2.0, **changes: Any) -> FileCall:
    parts: dict[str, Any] = {
        "step": 0,
        "api": FileApi.LISTEN,
        "caller": "all",
        "length": "up to 5 s",
        "audio_s": audio_s,
        "due_s": due_s,
        "sent_s": due_s,
        "ended_s": ended_s,
        "outcome": Outcome.DONE,
    }
    return FileCall(**(parts | changes))
