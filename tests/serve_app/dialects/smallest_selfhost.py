"""How the tests of Smallest's self-hosted API ask."""

from __future__ import annotations

import httpx

from tests.fakes.edge import Edge


async def listen(edge: Edge, audio: bytes = b"RIFF", **fields: str) -> httpx.Response:
    return await edge.client.post("/v1/listen", files={"audio": ("a.wav", audio)}, data=fields)
