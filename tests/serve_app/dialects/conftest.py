from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.edge import Edge


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    built = Edge()
    async with built.client:
        yield built
    assert built.access.visitors == 0
