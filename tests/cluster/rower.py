"""The language model of the tests' service: what it answers depends on what its caller tells of the recording."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.fakes.chat_server import completion
from tests.fakes.language_model import edits_json

HEARD = "times"
RIVER = "We row on the Thames."
UNSAFE = "The Thames is not like Kubernetes."
DOWN = "The Thames is down."
SLOW = "The Thames is slow."

_WANTED = {RIVER: "Thames", UNSAFE: "Kubernetes"}


async def reply(body: dict[str, Any]) -> bytes:
    """Wants the first ``HEARD`` to be a name of the context; hangs up, or never answers, if the context is of that."""
    told = json.loads(body["messages"][1]["content"])
    if told["about"] == SLOW:
        await asyncio.sleep(3600)
    if told["about"] == DOWN:
        return b""
    words = (word.split(":", 1) for word in told["words"].split())
    at = next((int(index) for index, word in words if word.startswith(HEARD)), None)
    return completion(edits_json() if at is None else edits_json((at, HEARD, _WANTED[told["about"]])))
