"""How the tests of OpenAI's transcriptions ask, and how they read a stream."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.fakes.edge import Edge

FILE = ("call.wav", b"RIFF")
PATH = "/v1/audio/transcriptions"


async def post(edge: Edge, audio: bytes = b"RIFF", **fields: Any) -> httpx.Response:
    return await edge.client.post(PATH, files={"file": ("a.wav", audio)}, data={"model": "whisper-1", **fields})


def streamed(**fields: str) -> httpx.Request:
    data = {"model": "whisper-1", "stream": "true", **fields}
    return httpx.Request("POST", f"http://rayscribe{PATH}", files={"file": FILE}, data=data)


def parsed(chunk: str) -> list[Any]:
    return [json.loads(line.removeprefix("data: ")) for line in chunk.split("\n\n") if line.startswith("data: {")]
