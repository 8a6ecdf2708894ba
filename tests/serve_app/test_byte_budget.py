from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deployments.errors import Overloaded
from serve_app.byte_budget import ByteBudget, expect_bytes, receive_bytes
from serve_app.settings import LimitSettings
from serve_app.sources.byte_collector import ByteCollector
from tests.fakes.edge import Edge

pytestmark = pytest.mark.unit

MAX_BYTES = 100
STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, MAX_BYTES)), max_size=6)


@given(st.lists(STEPS, max_size=6))
def test_what_is_held_is_never_more_than_allowed_and_goes_with_its_requests(
    requests: list[list[tuple[bool, int]]],
) -> None:
    budget = ByteBudget(MAX_BYTES)

    async def request(steps: list[tuple[bool, int]]) -> None:
        with budget.open_account(), contextlib.suppress(Overloaded):
            received = 0
            for is_declared, size in steps:
                (expect_bytes if is_declared else receive_bytes)(size)
                received += 0 if is_declared else size
                assert received <= budget.held_bytes <= MAX_BYTES
                await asyncio.sleep(0)

    async def all_of_them() -> None:
        await asyncio.gather(*(request(steps) for steps in requests))

    asyncio.run(all_of_them())
    assert budget.held_bytes == 0


async def test_what_was_declared_is_held_once() -> None:
    budget = ByteBudget(MAX_BYTES)
    with budget.open_account():
        expect_bytes(80)
        receive_bytes(50)
        receive_bytes(30)
        assert budget.held_bytes == 80
        receive_bytes(5)
        assert budget.held_bytes == 85
        with pytest.raises(Overloaded):
            receive_bytes(16)
        # What could not be taken is not held.
        assert budget.held_bytes == 85
    receive_bytes(1000)
    assert budget.held_bytes == 0


async def test_what_is_fetched_counts_as_it_comes() -> None:
    budget = ByteBudget(MAX_BYTES)
    with budget.open_account():
        collected = ByteCollector(1000)
        collected.add(bytes(60))
        assert budget.held_bytes == 60
        with pytest.raises(Overloaded):
            collected.add(bytes(60))


def test_one_file_must_fit() -> None:
    with pytest.raises(ValidationError, match="less than one file"):
        LimitSettings(max_bytes=10_000_000, max_inflight_bytes=10_000_000)


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100):
        yield bytes(100)


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_full_process_refuses_in_the_words_of_the_dialect_and_takes_more_later(
    edge: Edge, is_chunked: bool
) -> None:
    edge.pipeline.gate.clear()

    def post(size: int) -> asyncio.Task[httpx.Response]:
        content = chunks(size) if is_chunked else bytes(size)
        return asyncio.create_task(edge.client.post("/waves/v1/stt/?model=pulse-pro", content=content))

    first = post(9_000)
    await edge.pipeline.arrivals.acquire()
    assert edge.upload_bytes.held_bytes == 9_000
    refused = await post(5_000)
    assert refused.status_code == 503
    assert refused.json()["error_code"] == "SERVICE_UNAVAILABLE"
    assert refused.headers["retry-after"] == "5"
    edge.pipeline.gate.set()
    assert (await first).status_code == 200
    assert edge.upload_bytes.held_bytes == 0
    assert (await post(5_000)).status_code == 200


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    built = Edge(upload_bytes=ByteBudget(12_000))
    async with built.client:
        yield built
