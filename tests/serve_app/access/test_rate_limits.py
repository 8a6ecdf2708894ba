from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.errors import RateLimitReached
from serve_app.access.rate_limits import HitWindows, RateLimits
from serve_app.access.visit import RateState
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.unit


def test_what_is_left_is_counted_down() -> None:
    clock = FakeClock()
    rates = RateLimits(clock)
    assert rates.hit("ann", 3) == RateState(3, 2, 60.0)
    clock.now_s += 10
    assert rates.hit("ann", 3) == RateState(3, 1, 50.0)
    assert rates.hit("bob", 3) == RateState(3, 2, 60.0)


def test_over_the_limit_the_refusal_says_when_a_request_fits_again() -> None:
    clock = FakeClock()
    rates = RateLimits(clock)
    for _ in range(3):
        rates.hit("ann", 3)
        clock.now_s += 10
    with pytest.raises(RateLimitReached) as refusal:
        rates.hit("ann", 3)
    assert refusal.value.limit == 3
    assert refusal.value.retry_after_s == pytest.approx(30.0)
    clock.now_s += refusal.value.retry_after_s + 1e-6
    assert rates.hit("ann", 3).remaining == 0


def test_refused_requests_do_not_count() -> None:
    clock = FakeClock()
    rates = RateLimits(clock)
    rates.hit("ann", 1)
    for _ in range(50):
        clock.now_s += 1
        with pytest.raises(RateLimitReached):
            rates.hit("ann", 1)
    clock.now_s += 10
    rates.hit("ann", 1)


def test_users_are_forgotten_a_minute_after_their_last_request() -> None:
    clock = FakeClock()
    windows = HitWindows(clock)
    for number in range(100):
        windows.incr(f"user{number}", 60)
    clock.now_s += 30
    windows.incr("user7", 60)
    clock.now_s += 31
    windows.incr("new", 60)
    assert windows.reset() == 2


@given(
    pauses_s=st.lists(st.floats(0, 40), max_size=60),
    limit=st.integers(1, 5),
)
def test_never_more_than_the_limit_in_any_minute_and_never_fewer(pauses_s: list[float], limit: int) -> None:
    clock = FakeClock()
    rates = RateLimits(clock)
    admitted: list[float] = []
    for pause_s in pauses_s:
        clock.now_s += pause_s
        within = [at_s for at_s in admitted if at_s + 60 > clock.now_s]
        if len(within) < limit:
            assert rates.hit("ann", limit).remaining == limit - len(within) - 1
            admitted.append(clock.now_s)
        else:
            with pytest.raises(RateLimitReached):
                rates.hit("ann", limit)


def test_a_busy_limiter_remembers_nobody_who_is_gone() -> None:
    clock = FakeClock()
    windows = HitWindows(clock)
    for number in range(100):
        windows.incr(f"user{number}", 60)
    clock.now_s += 61
    windows.incr("busy", 60)
    # Before anything else is asked, which forgets by itself.
    assert list(windows._ends) == ["busy"]
