"""Leases when the ingress, the Limiter or what is between them fails."""

from __future__ import annotations

import asyncio

import pytest

from deployments.errors import ServiceUnavailable
from deployments.signal_table import LEASES, LEASES_LOST, LIMITER_FAILURES, LIMITER_TIME
from tests.serve_app.access.lease_site import TIMES, Request, Site, at_a_site, check_full, now_s

pytestmark = pytest.mark.unit


@at_a_site(delay_s=0.05)
async def test_what_a_killed_ingress_held_is_free_within_the_ttl(site: Site) -> None:
    (holder, handle), (other, _) = site.ingress(), site.ingress()
    request = Request(holder, 1)
    await asyncio.sleep(10)
    handle.connected.clear()
    await holder.close()
    request.task.cancel()
    await asyncio.sleep(TIMES.lease_ttl_s - 1.2)
    await check_full(other)
    await asyncio.sleep(1.2)
    async with other.lease("ann", 1, None):
        assert await site.leases() == 1


@at_a_site(delay_s=0.05)
async def test_a_request_whose_place_was_taken_is_stopped_with_a_reason(site: Site) -> None:
    (holder, handle), (other, _) = site.ingress(), site.ingress()
    seen: list[str] = []

    async def request() -> str:
        try:
            async with holder.lease("ann", 1, None):
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    seen.append("cancelled")
                    raise
        except ServiceUnavailable as error:
            seen.append(str(error))
        # The task is not left cancelled: it can go on and answer.
        await asyncio.sleep(0.01)
        return "answered"

    task = asyncio.create_task(request())
    await asyncio.sleep(1)
    handle.connected.clear()
    await asyncio.sleep(TIMES.lease_ttl_s + TIMES.heartbeat_s)
    async with other.lease("ann", 1, None):
        handle.connected.set()
        assert await asyncio.wait_for(task, 2 * TIMES.heartbeat_s) == "answered"
        assert seen == ["cancelled", "The request was stopped: others took its place while it was cut off"]
        assert task.cancelling() == 0
        assert await site.leases() == site.signals.level(LEASES) == 1
    assert await site.leases() == site.signals.level(LEASES) == 0
    assert site.signals.counted(LEASES_LOST) == 1
    assert site.signals.counted(LIMITER_FAILURES, "report") > 0


@at_a_site(delay_s=0.05)
async def test_a_request_that_was_cut_off_goes_on_when_its_place_is_still_free(site: Site) -> None:
    (holder, handle), (other, _) = site.ingress(), site.ingress()
    async with holder.lease("ann", 1, None):
        handle.connected.clear()
        await asyncio.sleep(TIMES.lease_ttl_s * 3)
        assert await site.leases() == 0
        handle.connected.set()
        await asyncio.sleep(TIMES.heartbeat_s * 2)
        assert await site.leases() == 1
    async with other.lease("ann", 1, None):
        pass


@at_a_site(delay_s=0.05)
async def test_who_is_cancelled_and_loses_his_lease_at_once_is_cancelled(site: Site) -> None:
    (holder, handle), (other, _) = site.ingress(), site.ingress()

    async def request() -> None:
        async with holder.lease("ann", 1, None):
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                asyncio.get_running_loop().call_soon(task.cancel)
                await asyncio.sleep(1)

    task = asyncio.create_task(request())
    await asyncio.sleep(1)
    handle.connected.clear()
    await asyncio.sleep(TIMES.lease_ttl_s + TIMES.heartbeat_s)
    async with other.lease("ann", 1, None):
        handle.connected.set()
        with pytest.raises(asyncio.CancelledError):
            await task


@at_a_site(delay_s=0.05)
async def test_requests_outlive_the_limiter_and_are_counted_by_the_next(site: Site) -> None:
    (holder, _), (other, _) = site.ingress(), site.ingress()
    async with holder.lease("ann", 2, None):
        site.link.die()
        waiting = Request(other, 2)
        await asyncio.sleep(8)
        assert not waiting.running.is_set()
        site.link.start()
        started_s = now_s()
        await waiting.running.wait()
        assert now_s() - started_s == pytest.approx(TIMES.lease_ttl_s, abs=0.5)
        assert await site.leases() == 2
        await check_full(holder, 2)
    waiting.finish.set()
    await waiting.task
    assert await site.leases() == 0


@at_a_site(delay_s=0.05)
async def test_a_request_does_not_wait_for_ever_for_a_limiter(site: Site) -> None:
    holder, _ = site.ingress()
    site.link.die()
    before_s = now_s()
    for per_minute, cap in ((None, 1), (5, None)):
        with pytest.raises(ServiceUnavailable, match="cannot be admitted"):
            async with holder.lease("ann", cap, per_minute):
                pytest.fail("nobody has admitted it")
    assert now_s() - before_s == pytest.approx(2 * TIMES.admit_timeout_s)
    assert site.signals.counted(LIMITER_FAILURES, "admit") == 2
    assert site.signals.observed(LIMITER_TIME) == [pytest.approx(TIMES.admit_timeout_s)] * 2
    site.link.start()
    await asyncio.sleep(TIMES.lease_ttl_s + TIMES.heartbeat_s)
    async with holder.lease("ann", 1, None):
        assert await site.leases() == 1


@at_a_site(delay_s=0.05)
async def test_without_a_limiter_an_answer_is_hardly_late(site: Site) -> None:
    holder, _ = site.ingress()
    requests = [Request(holder, 2) for _ in range(2)]
    for request in requests:
        await request.running.wait()
    site.link.die()
    late_s = []
    for request in requests:
        before_s = now_s()
        request.finish.set()
        await request.task
        late_s.append(now_s() - before_s)
        # By now the reports have come to nothing.
        await asyncio.sleep(TIMES.lease_ttl_s)
    assert late_s == [pytest.approx(TIMES.heartbeat_s), pytest.approx(0.0)]
