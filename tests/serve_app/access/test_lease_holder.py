from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable

import pytest

from deployments.errors import ConcurrencyLimitReached, InvalidRequest, RateLimitReached, ServiceUnavailable
from deployments.signal_table import LEASES, LEASES_LOST, LIMITER_FAILURES, LIMITER_TIME
from deployments.tracing import begun_span
from serve_app.access.lease_holder import HolderTimes, LeaseHolder
from serve_app.access.lease_messages import HolderReport
from serve_app.access.leases import BookSize
from tests.fakes.limiter_link import LimiterHandle, LimiterLink
from tests.fakes.signals import RecordedSignals
from tests.fakes.spans import collected_spans
from tests.fakes.stages import FakeResponse
from tests.fakes.virtual_time import run_virtually

pytestmark = pytest.mark.unit

TIMES = HolderTimes(heartbeat_s=1.0, lease_ttl_s=5.0, admit_timeout_s=20.0)


class Site:
    """A Limiter that has settled, and ingress processes with their handles."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.signals = RecordedSignals()
        self.link = LimiterLink(TIMES.lease_ttl_s, lambda: delay_s, self.signals)
        self.link.start()

    def ingress(self) -> tuple[LeaseHolder, LimiterHandle]:
        handle = LimiterHandle(self.link)
        return LeaseHolder(handle, TIMES, asyncio.get_running_loop().time, self.signals), handle

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


async def now_s() -> float:
    return asyncio.get_running_loop().time()


@at_a_site()
async def test_over_the_cap_the_refusal_comes_at_once_from_any_ingress(site: Site) -> None:
    (first, _), (second, _) = site.ingress(), site.ingress()
    async with first.lease("ann", 2, None), second.lease("ann", 2, None):
        before_s = await now_s()
        for ingress in (first, second):
            with pytest.raises(ConcurrencyLimitReached):
                async with ingress.lease("ann", 2, None):
                    pytest.fail("one too many")
        assert await now_s() == before_s
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
    holder, handle = site.ingress()
    other, _ = site.ingress()
    async with other.lease("ann", 1, None):
        for _ in range(20):
            with pytest.raises(ConcurrencyLimitReached):
                async with holder.lease("ann", 1, None):
                    pytest.fail("one too many")
    assert set(handle.sent) == {"admit"}


@at_a_site(delay_s=0.05)
async def test_reports_list_what_is_held_and_waited_for_and_nothing_that_was_refused(site: Site) -> None:
    reports: list[HolderReport] = []

    class Spy(LimiterHandle):
        def send(self, method: str, message: object) -> FakeResponse:
            if isinstance(message, HolderReport):
                reports.append(message)
            return super().send(method, message)

    holder = LeaseHolder(Spy(site.link), TIMES, asyncio.get_running_loop().time)
    first = Request(holder, 1)
    await first.running.wait()
    with pytest.raises(ConcurrencyLimitReached):
        async with holder.lease("ann", 1, None):
            pytest.fail("one too many")
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


@at_a_site(delay_s=0.1)
async def test_a_lease_is_held_for_hours(site: Site) -> None:
    (holder, _), (other, _) = site.ingress(), site.ingress()
    async with holder.lease("ann", 1, None):
        await asyncio.sleep(3 * 3600)
        with pytest.raises(ConcurrencyLimitReached):
            async with other.lease("ann", 1, None):
                pytest.fail("one too many")


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


@at_a_site(delay_s=0.05)
async def test_what_a_killed_ingress_held_is_free_within_the_ttl(site: Site) -> None:
    (holder, handle), (other, _) = site.ingress(), site.ingress()

    async def request() -> None:
        async with holder.lease("ann", 1, None):
            await asyncio.sleep(3600)

    task = asyncio.create_task(request())
    await asyncio.sleep(10)
    handle.connected.clear()
    await holder.close()
    task.cancel()
    await asyncio.sleep(TIMES.lease_ttl_s - 1.2)
    with pytest.raises(ConcurrencyLimitReached):
        async with other.lease("ann", 1, None):
            pytest.fail("it may be alive")
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


@at_a_site(delay_s=0.05)
async def test_requests_outlive_the_limiter_and_are_counted_by_the_next(site: Site) -> None:
    (holder, _), (other, _) = site.ingress(), site.ingress()
    async with holder.lease("ann", 2, None):
        site.link.die()
        waiting = Request(other, 2)
        await asyncio.sleep(8)
        assert not waiting.running.is_set()
        site.link.start()
        started_s = await now_s()
        await waiting.running.wait()
        assert await now_s() - started_s == pytest.approx(TIMES.lease_ttl_s, abs=0.5)
        assert await site.leases() == 2
        with pytest.raises(ConcurrencyLimitReached):
            async with holder.lease("ann", 2, None):
                pytest.fail("one too many")
    waiting.finish.set()
    await waiting.task
    assert await site.leases() == 0


@at_a_site(delay_s=0.05)
async def test_a_request_does_not_wait_for_ever_for_a_limiter(site: Site) -> None:
    holder, _ = site.ingress()
    site.link.die()
    before_s = await now_s()
    for per_minute, cap in ((None, 1), (5, None)):
        with pytest.raises(ServiceUnavailable, match="cannot be admitted"):
            async with holder.lease("ann", cap, per_minute):
                pytest.fail("nobody has admitted it")
    assert await now_s() - before_s == pytest.approx(2 * TIMES.admit_timeout_s)
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
        before_s = await now_s()
        request.finish.set()
        await request.task
        late_s.append(await now_s() - before_s)
        # By now the reports have come to nothing.
        await asyncio.sleep(TIMES.lease_ttl_s)
    assert late_s == [pytest.approx(TIMES.heartbeat_s), pytest.approx(0.0)]


@at_a_site(delay_s=0.05)
async def test_reports_do_not_belong_to_the_request_that_started_them(site: Site) -> None:
    of_the_request: contextvars.ContextVar[str] = contextvars.ContextVar("of_the_request", default="nothing")
    seen: list[tuple[str, str]] = []

    class Spy(LimiterHandle):
        def send(self, method: str, message: object) -> FakeResponse:
            seen.append((method, of_the_request.get()))
            return super().send(method, message)

    holder = LeaseHolder(Spy(site.link), TIMES, asyncio.get_running_loop().time)

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

    holder = LeaseHolder(Forgetful(site.link), TIMES, asyncio.get_running_loop().time)
    other, _ = site.ingress()
    async with holder.lease("ann", 1, None):
        for _ in range(20):
            await asyncio.sleep(0.5)
            with pytest.raises(ConcurrencyLimitReached):
                async with other.lease("ann", 1, None):
                    pytest.fail("one too many")


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
