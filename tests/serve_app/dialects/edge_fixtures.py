"""Fixtures that differ from module to module by what they are made with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.fakes.asgi_socket import AsgiSocket, asgi_socket
from tests.fakes.edge import Edge
from tests.fakes.edge_server import served


def socket_to(url: str) -> object:
    """A fixture: one socket to this address of the test's ``edge``."""

    @pytest.fixture
    async def socket(edge: Edge) -> AsyncIterator[AsgiSocket]:
        async with asgi_socket(edge.app, url) as opened:
            yield opened

    return socket


def serving(make_edge: Callable[[], Edge], scheme: str = "http") -> object:
    """A fixture: an edge that is served for the whole module, and its URL."""

    @pytest.fixture(scope="module")
    def service() -> Iterator[tuple[Edge, str]]:
        edge = make_edge()
        with served(edge) as url:
            yield edge, url.replace("http", scheme, 1)

    return service
