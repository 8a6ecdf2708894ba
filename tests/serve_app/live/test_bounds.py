from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from deployments.errors import SessionTooLong
from serve_app.live.contracts import Partial, SessionEnded
from serve_app.live.outbox import Outbox
from tests.fakes.live_bench import LIMITS, LiveBench, held

pytestmark = pytest.mark.unit


def test_a_session_in_which_nothing_is_sent_ends_at_the_limit_of_time() -> None:
    async def talk(bench: LiveBench) -> None:
        await asyncio.sleep(6)
        assert bench.reader.done()

    bench = held(LiveBench(limits=replace(LIMITS, longest_s=5.0)), talk)
    assert isinstance(bench.error, SessionTooLong)


async def test_of_partial_texts_the_newest_waits() -> None:
    outbox = Outbox()
    for at in range(100):
        outbox.say(Partial(0, str(at), (), 0.0, 1.0))
    outbox.say(SessionEnded(1.0, 0.0))
    assert [getattr(event, "text", "end") async for event in outbox.read()] == ["99", "end"]
