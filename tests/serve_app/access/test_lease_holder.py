"""What a lease of the Limiter lets in, and for how long."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from deployments.errors import InvalidRequest, RateLimitReached
from deployments.tracing import begun_span
from tests.fakes.spans import collected_spans
from tests.fakes.virtual_time import run_virtually
from tests.serve_app.access.lease_site import TIMES, Site, at_a_site, check_full, now_s

pytestmark = pytest.mark.unit


@at_a_site()
async def test_over_the_cap_the_refusal_comes_at_once_from_any_ingress(site: Site) -> None:
    (first, _), (second, _) = site.ingress(), site.ingress()
    async with first.lease("ann", 2, None), second.lease("ann", 2, None):
        before_s = now_s()
        for ingress in (first, second):
            await check_full(ingress, 2)
        assert now_s() == before_s
        async with second.lease("bob", 2, None):
            assert await site.leases() == 3


@at_a_site()
async def test_a_request_that_is_traced_is_admitted_and_reported(site: Site) -> None:
    with collected_spans(), begun_span("request", None):
        holder, handle = site.ingress()
        async with holder.lease("ann", 1, None):
            assert await site.leases() == 1
        await asyncio.sleep(TIMES.heartbeat_s)
    assert set(handle.sent) == {"admit", "report"}
    assert await site.leases() == 0


@at_a_site(delay_s=0.3)
async def test_who_has_his_answer_can_send_the_next_request_at_once(site: Site) -> None:
    ingresses = [site.ingress()[0] for _ in range(3)]
    for turn in range(12):
        with contextlib.suppress(InvalidRequest):
            async with ingresses[turn % 3].lease("ann", 1, None):
                await asyncio.sleep(0.1)
                if turn % 2:
                    raise InvalidRequest("no good")


@at_a_site()
async def test_without_limits_nobody_is_asked(site: Site) -> None:
    holder, handle = site.ingress()
    async with holder.lease("local", None, None) as rate:
        await asyncio.sleep(10)
    assert rate is None
    assert handle.sent == []


@at_a_site()
async def test_a_rate_without_a_cap_needs_no_lease(site: Site) -> None:
    holder, handle = site.ingress()
    async with holder.lease("ann", None, 1) as rate:
        assert rate is not None
        assert rate.remaining == 0
        await asyncio.sleep(10)
    with pytest.raises(RateLimitReached):
        async with holder.lease("ann", None, 1):
            pytest.fail("one too many")
    assert handle.sent == ["admit", "admit"]


@at_a_site(delay_s=0.1)
async def test_a_lease_is_held_for_hours(site: Site) -> None:
    (holder, _), (other, _) = site.ingress(), site.ingress()
    async with holder.lease("ann", 1, None):
        await asyncio.sleep(3 * 3600)
        await check_full(other)


@pytest.mark.parametrize("delay_s", [0.0, 0.05])
def test_a_client_that_hangs_up_at_any_moment_leaves_nothing_behind(delay_s: float) -> None:
    async def after(steps: int, seconds: float) -> bool:
        site = Site(delay_s)
        await asyncio.sleep(TIMES.lease_ttl_s)
        (holder, _), (other, _) = site.ingress(), site.ingress()

        async def request() -> None:
            async with holder.lease("ann", 1, None):
                await asyncio.sleep(0.2)

        task = asyncio.create_task(request())
        await asyncio.sleep(seconds)
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.sleep(TIMES.heartbeat_s)
        async with other.lease("ann", 1, None):
            assert await site.leases() == 1
        await holder.close()
        return task.cancelled()

    async def main() -> None:
        # 0.2 s in the body, and four ways of a message.
        moments = [at * delay_s / 5 for at in range(41)] if delay_s else [0.0, 0.1, 0.2]
        cancelled = [await after(steps, seconds) for seconds in moments for steps in range(16)]
        assert cancelled[0]
        assert not all(cancelled)

    run_virtually(main)


@at_a_site()
async def test_a_timeout_of_the_request_itself_is_its_own(site: Site) -> None:
    holder, _ = site.ingress()
    with pytest.raises(TimeoutError):
        async with holder.lease("ann", 1, None), asyncio.timeout(2.0):
            await asyncio.sleep(3)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2.0), holder.lease("ann", 1, None):
            await asyncio.sleep(3)
    await asyncio.sleep(0.1)
    assert await site.leases() == 0
