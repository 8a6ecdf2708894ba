"""How the tests of 60db's API ask."""

from __future__ import annotations

import httpx

from tests.fakes.edge import Edge


async def stt(edge: Edge, audio: bytes = b"RIFF", /, part: str = "file", **fields: str) -> httpx.Response:
    return await edge.client.post("/stt", files={part: ("a.wav", audio)}, data=fields)
