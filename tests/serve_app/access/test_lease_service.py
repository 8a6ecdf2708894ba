"""Crowds at several ingress processes: the cap holds at every moment, and nobody is refused without cause."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.errors import ConcurrencyLimitReached
from serve_app.access.lease_holder import LeaseHolder
from serve_app.access.lease_reports import HolderTimes
from serve_app.access.leases import BookSize
from tests.examples import examples
from tests.fakes.limiter_link import LimiterHandle, LimiterLink
from tests.fakes.virtual_time import run_virtually

pytestmark = pytest.mark.unit

TIMES = HolderTimes(heartbeat_s=1.0, lease_ttl_s=5.0, admit_timeout_s=60.0)
CAP = 4
CLIENTS = 40
LONGEST_DELAY_S = 0.2
# The news of a request that was cut short waits for the answer to the report before, and then takes one way.
NEWS_S = 3 * LONGEST_DELAY_S
# After its last message a holder is believed for the lifetime of a lease.
SILENCE_S = TIMES.lease_ttl_s + LONGEST_DELAY_S


@dataclass
class Ingress:
    """``cut_short`` are the places in Record.occupied of its requests that were."""

    leases: LeaseHolder
    handle: LimiterHandle
    clients: list[asyncio.Task[None]] = field(default_factory=list)
    cut_short: list[int] = field(default_factory=list)


@dataclass
class Record:
    """What happened, in seconds: who may have occupied a place when, and when somebody was refused."""

    running: int = 0
    most_running: int = 0
    admitted: int = 0
    occupied: list[tuple[float, float]] = field(default_factory=list)
    refused: list[tuple[float, float]] = field(default_factory=list)

    def most_occupied(self, start_s: float, end_s: float) -> int:
        moments = [start_s, *(from_s for from_s, _ in self.occupied if start_s <= from_s <= end_s)]
        return max(sum(from_s <= moment <= to_s for from_s, to_s in self.occupied) for moment in moments)


class Crowd:
    """Clients of one user who send requests one after another, and some of whom hang up."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.record = Record()
        self.link = LimiterLink(TIMES.lease_ttl_s, lambda: self.chance.uniform(0, LONGEST_DELAY_S))
        self.link.start()
        self.now_s = asyncio.get_running_loop().time
        self.ingresses = [self.ingress() for _ in range(3)]

    def ingress(self) -> Ingress:
        handle = LimiterHandle(self.link)
        return Ingress(LeaseHolder(handle, TIMES, self.now_s), handle)

    async def come(self) -> None:
        await asyncio.sleep(TIMES.lease_ttl_s)
        for number in range(CLIENTS):
            ingress = self.ingresses[number % 3]
            ingress.clients.append(asyncio.create_task(self.client(ingress)))

    async def client(self, ingress: Ingress) -> None:
        for _ in range(3):
            await asyncio.sleep(self.chance.uniform(0, 1))
            patience_s = self.chance.choice((None, None, None, self.chance.uniform(0, 1)))
            with contextlib.suppress(TimeoutError, ConcurrencyLimitReached):
                async with asyncio.timeout(patience_s):
                    await self.request(ingress)

    async def request(self, ingress: Ingress) -> None:
        start_s = self.now_s()
        try:
            async with ingress.leases.lease("ann", CAP, None):
                self.record.admitted += 1
                self.record.running += 1
                self.record.most_running = max(self.record.most_running, self.record.running)
                try:
                    await asyncio.sleep(self.chance.uniform(0, 1))
                finally:
                    self.record.running -= 1
        except ConcurrencyLimitReached:
            self.record.refused.append((start_s, self.now_s()))
            raise
        except asyncio.CancelledError:
            known_s = NEWS_S if ingress.handle.connected.is_set() else SILENCE_S
            ingress.cut_short.append(len(self.record.occupied))
            self.record.occupied.append((start_s, self.now_s() + known_s))
            raise
        self.record.occupied.append((start_s, self.now_s()))

    async def kill(self, ingress: Ingress) -> None:
        """All of it at once, and what it has sent never arrives."""
        ingress.handle.connected.clear()
        await ingress.leases.close()
        for client in ingress.clients:
            client.cancel()
        killed_s = self.now_s()
        for number in ingress.cut_short:
            start_s, known_s = self.record.occupied[number]
            if known_s > killed_s:
                # The news of its end may have been on the way.
                self.record.occupied[number] = (start_s, killed_s + SILENCE_S)

    async def gone(self) -> None:
        everybody = [client for ingress in self.ingresses for client in ingress.clients]
        await asyncio.gather(*everybody, return_exceptions=True)
        assert not [client for client in everybody if not client.cancelled() and client.exception()]
        await asyncio.sleep(TIMES.lease_ttl_s + 2 * TIMES.heartbeat_s)
        assert await self.link.limiter.load() == BookSize(0, 0, 0)


@settings(max_examples=examples(40))
@given(seed=st.integers(0, 2**32), killed_after_s=st.none() | st.floats(0, 3))
def test_exactly_as_many_as_the_cap(seed: int, killed_after_s: float | None) -> None:
    async def main() -> None:
        crowd = Crowd(seed)
        await crowd.come()
        if killed_after_s is not None:
            await asyncio.sleep(killed_after_s)
            await crowd.kill(crowd.ingresses[0])
        await crowd.gone()
        record = crowd.record
        assert record.most_running <= CAP
        # The dead may keep all places for longer than the crowd stays.
        assert record.admitted >= CAP or killed_after_s is not None
        assert all(record.most_occupied(*window) >= CAP for window in record.refused)

    run_virtually(main)


@settings(max_examples=examples(40))
@given(seed=st.integers(0, 2**32), lost_after_s=st.floats(0, 3), away_s=st.floats(0, 12))
def test_never_more_than_the_cap_while_the_limiter_is_replaced(seed: int, lost_after_s: float, away_s: float) -> None:
    async def main() -> None:
        crowd = Crowd(seed)
        await crowd.come()
        await asyncio.sleep(lost_after_s)
        crowd.link.die()
        await asyncio.sleep(away_s)
        crowd.link.start()
        await crowd.gone()
        assert crowd.record.most_running <= CAP

    run_virtually(main)
