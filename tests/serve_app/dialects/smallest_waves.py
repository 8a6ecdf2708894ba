"""How the tests of Smallest's Waves API ask."""

from __future__ import annotations

import httpx

from tests.fakes.edge import Edge

PATH = "/waves/v1/stt/"
LEGACY = ["/waves/v1/pulse/get_text", "/api/v1/pulse/get_text", "/api/v1/lightning/get_text"]
HOOK = "https://example.com/hook"


async def stt(edge: Edge, audio: bytes = b"RIFF", /, path: str = PATH, **query: str) -> httpx.Response:
    query = {"model": "pulse", **query}
    return await edge.client.post(
        path, content=audio, params=query, headers={"content-type": "application/octet-stream"}
    )
