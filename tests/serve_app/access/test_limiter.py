from __future__ import annotations

import pytest

from deployments.errors import ConcurrencyLimitReached, RateLimitReached
from serve_app.access.lease_messages import AdmissionRequest, Admitted, HolderReport, Lease, NotYet
from serve_app.access.leases import BookSize
from serve_app.access.limiter import Limiter, LimiterConfig
from serve_app.access.visit import RateState
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.unit

TTL_S = 5.0


def settled_limiter(clock: FakeClock) -> Limiter:
    limiter = Limiter(LimiterConfig(TTL_S), clock)
    clock.now_s += TTL_S
    return limiter


def request(name: str, sequence: int = 0, cap: int = 1, per_minute: int | None = None) -> AdmissionRequest:
    return AdmissionRequest("h1", "ann", Lease(name, "ann", cap, sequence), per_minute)


async def test_a_new_limiter_grants_no_lease_before_the_holders_have_reported() -> None:
    clock = FakeClock()
    limiter = Limiter(LimiterConfig(TTL_S), clock)
    clock.now_s += 1
    assert await limiter.admit(request("a")) == NotYet(TTL_S - 1)
    await limiter.report(HolderReport("h2", 1, (Lease("b", "ann", 1, 0),), ()))
    clock.now_s += 1
    await limiter.report(HolderReport("h2", 2, (Lease("b", "ann", 1, 0),), ()))
    clock.now_s += TTL_S - 2
    with pytest.raises(ConcurrencyLimitReached):
        await limiter.admit(request("a"))


async def test_a_request_that_is_not_counted_need_not_wait_for_that() -> None:
    limiter = Limiter(LimiterConfig(TTL_S), FakeClock())
    assert await limiter.admit(AdmissionRequest("h1", "ann", None, 2)) == Admitted(RateState(2, 1, 60.0))


async def test_a_refusal_for_concurrency_does_not_use_up_the_rate() -> None:
    limiter = settled_limiter(FakeClock())
    await limiter.admit(request("a", 0, per_minute=2))
    for sequence in range(1, 10):
        with pytest.raises(ConcurrencyLimitReached):
            await limiter.admit(request(f"b{sequence}", sequence, per_minute=2))
    await limiter.report(HolderReport("h1", 10, (), ()))
    assert await limiter.admit(request("c", 11, per_minute=2)) == Admitted(RateState(2, 0, 60.0))


async def test_a_refusal_for_the_rate_holds_no_lease() -> None:
    limiter = settled_limiter(FakeClock())
    await limiter.admit(request("a", 0, cap=2, per_minute=1))
    with pytest.raises(RateLimitReached):
        await limiter.admit(request("b", 1, cap=2, per_minute=1))
    assert await limiter.load() == BookSize(holders=1, users=1, leases=1)


async def test_a_message_that_comes_twice_is_counted_once() -> None:
    limiter = settled_limiter(FakeClock())
    await limiter.admit(request("a", 0, cap=3, per_minute=5))
    await limiter.admit(request("a", 0, cap=3, per_minute=5))
    assert await limiter.admit(request("b", 1, cap=3, per_minute=5)) == Admitted(RateState(5, 3, 60.0))
    assert (await limiter.load()).leases == 2
