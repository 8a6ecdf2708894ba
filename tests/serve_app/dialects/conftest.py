from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI

from tests.fakes.edge import Edge
from tests.fakes.openai_sdk import openai_client


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    built = Edge()
    async with built.client:
        yield built
    assert built.access.visitors == 0


@pytest.fixture
async def sdk(edge: Edge) -> AsyncIterator[AsyncOpenAI]:
    """OpenAI's own client of the edge."""
    async with openai_client(edge.app) as client:
        yield client
