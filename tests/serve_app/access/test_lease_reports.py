"""What an ingress tells the Limiter of the leases that it holds, and when."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from serve_app.access.lease_messages import HolderReport
from serve_app.access.leases import BookSize
from tests.fakes.limiter_link import LimiterHandle
from tests.fakes.stages import FakeResponse
from tests.serve_app.access.lease_site import TIMES, Request, Site, at_a_site, check_full

pytestmark = pytest.mark.unit


@at_a_site()
async def test_an_idle_ingress_is_silent_and_forgotten(site: Site) -> None:
    holder, handle = site.ingress()
    async with holder.lease("ann", 1, None):
        pass
    sent = list(handle.sent)
    await asyncio.sleep(60)
    assert handle.sent == sent == ["admit", "report"]
    assert await site.link.limiter.load() == BookSize(0, 0, 0)


@at_a_site()
async def test_a_crowd_of_refusals_sends_no_reports(site: Site) -> None:
    (holder, handle), (other, _) = site.ingress(), site.ingress()
    async with other.lease("ann", 1, None):
        for _ in range(20):
            await check_full(holder)
    assert set(handle.sent) == {"admit"}


@at_a_site(delay_s=0.05)
async def test_reports_list_what_is_held_and_waited_for_and_nothing_that_was_refused(site: Site) -> None:
    reports: list[HolderReport] = []

    class Spy(LimiterHandle):
        def send(self, method: str, message: object) -> FakeResponse:
            if isinstance(message, HolderReport):
                reports.append(message)
            return super().send(method, message)

    holder, _ = site.ingress(Spy)
    first = Request(holder, 1)
    await first.running.wait()
    await check_full(holder)
    site.link.delay_s = lambda: 0.6
    second = Request(holder, 2)
    await asyncio.sleep(1.1)
    assert [(len(report.held), len(report.pending)) for report in reports] == [(1, 1)]
    for request in (first, second):
        request.finish.set()
        await request.task
    assert (reports[-1].held, reports[-1].pending) == ((), ())


@at_a_site(delay_s=0.2)
async def test_a_crowd_that_ends_together_costs_two_reports(site: Site) -> None:
    holder, handle = site.ingress()

    async def request() -> None:
        async with holder.lease("ann", 100, None):
            await asyncio.sleep(0.1)

    await asyncio.gather(*(request() for _ in range(100)))
    assert await site.leases() == 0
    assert handle.sent.count("report") <= 2


@at_a_site(delay_s=0.05)
async def test_reports_do_not_belong_to_the_request_that_started_them(site: Site) -> None:
    of_the_request: contextvars.ContextVar[str] = contextvars.ContextVar("of_the_request", default="nothing")
    seen: list[tuple[str, str]] = []

    class Spy(LimiterHandle):
        def send(self, method: str, message: object) -> FakeResponse:
            seen.append((method, of_the_request.get()))
            return super().send(method, message)

    holder, _ = site.ingress(Spy)

    async def request() -> None:
        of_the_request.set("the request")
        async with holder.lease("ann", 1, None):
            await asyncio.sleep(0.1)

    await asyncio.create_task(request())
    assert seen == [("admit", "the request"), ("report", "nothing")]


@at_a_site(delay_s=0.05)
async def test_a_report_that_is_never_answered_does_not_stop_the_next(site: Site) -> None:
    class Forgetful(LimiterHandle):
        def send(self, method: str, message: object) -> FakeResponse:
            if self.sent.count("report") != 2:
                return super().send(method, message)
            self.sent.append(method)
            return FakeResponse(asyncio.Event().wait())

    (holder, _), (other, _) = site.ingress(Forgetful), site.ingress()
    async with holder.lease("ann", 1, None):
        for _ in range(20):
            await asyncio.sleep(0.5)
            await check_full(other)


@at_a_site()
async def test_a_holder_that_is_closed_reports_no_more(site: Site) -> None:
    holder, handle = site.ingress()
    request = Request(holder, 1)
    await asyncio.sleep(3.5)
    await holder.close()
    sent = len(handle.sent)
    await asyncio.sleep(TIMES.lease_ttl_s)
    assert len(handle.sent) == sent
    assert await site.leases() == 0
    request.task.cancel()
