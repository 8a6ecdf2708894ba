from __future__ import annotations

import asyncio

import pytest

from serve_app.draining import draining_event

pytestmark = pytest.mark.unit


async def test_the_event_follows_the_replica_and_the_looking_ends_with_the_context() -> None:
    looks = 0

    def is_draining() -> bool:
        nonlocal looks
        looks += 1
        return looks > 1

    async with draining_event(is_draining) as event:
        await asyncio.wait_for(event.wait(), 5)
    assert looks == 2


async def test_nothing_goes_on_looking_afterwards() -> None:
    before = len(asyncio.all_tasks())
    async with draining_event(lambda: False) as event:
        assert len(asyncio.all_tasks()) == before + 1
    assert not event.is_set()
    assert len(asyncio.all_tasks()) == before
