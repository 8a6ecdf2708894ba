from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI

from serve_app.local_only import LocalOnly

pytestmark = pytest.mark.unit


async def status(**headers: str) -> int:
    app = FastAPI()
    app.add_middleware(LocalOnly)

    @app.get("/")
    async def hello() -> str:
        return "hello"

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:7100") as client:
        return (await client.get("/", headers=headers)).status_code


@pytest.mark.parametrize("host", ["127.0.0.1:7100", "localhost", "app.localhost:80", "[::1]:7100", "0.0.0.0:7100"])
async def test_this_machine_may_enter(host: str) -> None:
    assert await status(host=host) == 200
    assert await status(host=host, origin="http://localhost:3000") == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:7100", "10.0.0.1", "", "[::1", "localhost.evil"]
)
async def test_a_name_that_somebody_else_made_resolve_here_may_not(host: str) -> None:
    assert await status(host=host) == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "file://"])
async def test_a_page_from_elsewhere_may_not(origin: str) -> None:
    assert await status(host="127.0.0.1:7100", origin=origin) == 403
