"""How every dialect answers a handshake that it does not take."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from deployments.errors import ConcurrencyLimitReached, Overloaded, RateLimitReached, Unauthenticated
from serve_app.settings import LiveSettings, Settings
from tests.fakes.asgi_socket import asgi_socket
from tests.fakes.edge import Edge
from tests.serve_app.dialects.talk import app_of, talking

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("error", "status"), [(Unauthenticated(True), 401), (RateLimitReached(1, 1), 429), (Overloaded("full"), 503)]
)
async def test_a_refusal_is_an_answer_to_the_handshake(edge: Edge, error: Any, status: int) -> None:
    edge.access.error = error
    async with talking(edge) as socket:
        body = (await socket.rest())[0]
    assert (socket.status, socket.close_code) == (status, None)
    assert body["message"]


async def test_what_prepare_finds_wrong_is_one_too(edge: Edge) -> None:
    edge.live.error = Overloaded("full")
    for query, status in (("wrong", 400), ("start", 503)):
        async with talking(edge, query) as socket:
            await socket.rest()
        assert socket.status == status
    assert edge.access.visitors == 0


async def test_a_dialect_may_tell_it_after_the_upgrade(edge: Edge) -> None:
    edge.access.error = ConcurrencyLimitReached(1, 1)
    async with talking(edge) as socket:
        assert await socket.rest() == [{"type": "error", "kind": "ConcurrencyLimitReached"}]
    assert (socket.status, socket.close_code) == (None, 1008)


async def test_a_server_that_cannot_answer_a_handshake_upgrades_it(edge: Edge) -> None:
    edge.access.error = Unauthenticated(True)
    app = app_of(edge)

    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "extensions": {}}, receive, send)

    async with asgi_socket(plain, "/talk") as socket:
        assert await socket.rest() == [{"type": "error", "kind": "Unauthenticated"}]
    assert (socket.status, socket.close_code) == (None, 1008)


async def test_a_process_holds_so_many_sockets() -> None:
    edge = Edge(settings=Settings(live=LiveSettings(max_sessions=1)))
    async with talking(edge) as held:
        assert await held.read() == {"type": "hello"}
        async with talking(edge) as refused:
            await refused.rest()
    assert refused.status == 503
    async with talking(edge) as next_one:
        assert await next_one.read() == {"type": "hello"}
