"""A Limiter, ingress processes that hold its leases, and requests, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from deployments.errors import ConcurrencyLimitReached
from serve_app.access.lease_holder import LeaseHolder
from serve_app.access.lease_reports import HolderTimes
from tests.fakes.limiter_link import LimiterHandle, LimiterLink
from tests.fakes.signals import RecordedSignals
from tests.fakes.virtual_time import run_virtually

TIMES = HolderTimes(heartbeat_s=1.0, lease_ttl_s=5.0, admit_timeout_s=20.0)


class Site:
    """A Limiter that has settled, and ingress processes with their handles."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.signals = RecordedSignals()
        self.link = LimiterLink(TIMES.lease_ttl_s, lambda: delay_s, self.signals)
        self.link.start()

    def ingress(self, kind: type[LimiterHandle] = LimiterHandle) -> tuple[LeaseHolder, LimiterHandle]:
        handle = kind(self.link)
        return LeaseHolder(handle, TIMES, now_s, self.signals), handle

    async def leases(self) -> int:
        return (await self.link.limiter.load()).leases


def at_a_site(delay_s: float = 0.0) -> Callable[[Callable[[Site], Awaitable[None]]], Callable[[], None]]:
    """Run a test in virtual time, with a site whose messages take delay_s each way."""

    def decorated(test: Callable[[Site], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            site = Site(delay_s)
            await asyncio.sleep(TIMES.lease_ttl_s)
            await test(site)

        def run() -> None:
            run_virtually(main)

        run.__name__ = test.__name__
        return run

    return decorated


class Request:
    """A request that is admitted at some time, and runs until it is told to finish."""

    def __init__(self, holder: LeaseHolder, cap: int) -> None:
        self.running = asyncio.Event()
        self.finish = asyncio.Event()
        self.task = asyncio.create_task(self._run(holder, cap))

    async def _run(self, holder: LeaseHolder, cap: int) -> None:
        async with holder.lease("ann", cap, None):
            self.running.set()
            await self.finish.wait()


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def check_full(holder: LeaseHolder, cap: int = 1) -> None:
    """One more request of the user is refused."""
    with pytest.raises(ConcurrencyLimitReached):
        async with holder.lease("ann", cap, None):
            pytest.fail("one too many")
