from __future__ import annotations

import pytest

from deployments.errors import Cancelled, ConcurrencyLimitReached
from serve_app.access.lease_messages import HolderReport, Lease
from serve_app.access.leases import BookSize, LeaseBook
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.unit

TTL_S = 5.0


def book(clock: FakeClock | None = None) -> LeaseBook:
    return LeaseBook(TTL_S, clock or FakeClock())


def lease(name: str, sequence: int, cap: int = 2, user_id: str = "ann") -> Lease:
    return Lease(name, user_id, cap, sequence)


def test_as_many_as_the_cap_are_granted() -> None:
    leases = book()
    assert leases.acquire("h1", lease("a", 0))
    assert leases.acquire("h2", lease("b", 0))
    with pytest.raises(ConcurrencyLimitReached) as refusal:
        leases.acquire("h1", lease("c", 1))
    assert refusal.value.limit == 2
    assert leases.acquire("h1", lease("d", 2, user_id="bob"))


def test_a_lower_cap_counts_all_of_a_users_leases() -> None:
    leases = book()
    for number in range(3):
        leases.acquire("h1", lease(f"rest{number}", number, cap=5))
    with pytest.raises(ConcurrencyLimitReached):
        leases.acquire("h1", lease("low", 3, cap=3))
    assert leases.acquire("h1", lease("high", 4, cap=5))


def test_a_message_that_comes_twice_counts_once() -> None:
    leases = book()
    assert leases.acquire("h1", lease("a", 0))
    assert not leases.acquire("h1", lease("a", 0))
    assert leases.running("ann") == 1


def test_a_report_frees_what_it_does_not_list() -> None:
    leases = book()
    first, second = lease("a", 0), lease("b", 1)
    leases.acquire("h1", first)
    leases.acquire("h1", second)
    assert leases.report(HolderReport("h1", 2, held=(second,), pending=())) == ()
    assert leases.running("ann") == 1


def test_a_report_does_not_touch_what_was_granted_after_it_was_made() -> None:
    leases = book()
    leases.acquire("h1", lease("late", 7))
    leases.report(HolderReport("h1", 6, held=(), pending=()))
    assert leases.running("ann") == 1


def test_a_grant_whose_answer_is_on_its_way_survives_a_report() -> None:
    leases = book()
    leases.acquire("h1", lease("a", 0))
    leases.report(HolderReport("h1", 1, held=(), pending=("a",)))
    assert leases.running("ann") == 1


def test_an_acquisition_that_a_later_report_does_not_know_is_refused() -> None:
    leases = book()
    leases.report(HolderReport("h1", 1, held=(), pending=("b",)))
    with pytest.raises(Cancelled):
        leases.acquire("h1", lease("a", 0))
    assert leases.acquire("h1", lease("b", 0))


def test_an_overtaken_report_changes_nothing() -> None:
    leases = book()
    old = lease("a", 0)
    leases.acquire("h1", old)
    leases.report(HolderReport("h1", 5, held=(), pending=()))
    assert leases.report(HolderReport("h1", 4, held=(old,), pending=())) == ()
    assert leases.running("ann") == 0


def test_what_a_silent_holder_held_is_free_after_the_ttl() -> None:
    clock = FakeClock()
    leases = book(clock)
    leases.acquire("h1", lease("a", 0))
    leases.acquire("h2", lease("b", 0))
    clock.now_s += TTL_S * 0.6
    leases.report(HolderReport("h2", 1, held=(lease("b", 0),), pending=()))
    clock.now_s += TTL_S * 0.6
    assert leases.running("ann") == 1
    assert leases.acquire("h2", lease("c", 2))


def test_a_holder_that_was_cut_off_gets_back_what_still_fits_oldest_first() -> None:
    clock = FakeClock()
    leases = book(clock)
    held = (lease("a", 0), lease("b", 1))
    for one in held:
        leases.acquire("h1", one)
    clock.now_s += TTL_S + 1
    leases.acquire("h2", lease("c", 0))
    assert leases.report(HolderReport("h1", 2, held, pending=())) == ("b",)
    assert leases.report(HolderReport("h1", 3, held, pending=())) == ("b",)
    assert leases.running("ann") == 2


def test_a_new_book_takes_in_what_was_lawful_in_any_order_of_reports() -> None:
    low, high = lease("low", 0, cap=1), lease("high", 0, cap=2)
    old = book()
    old.acquire("h1", low)
    old.acquire("h2", high)
    new = book()
    assert new.report(HolderReport("h2", 1, (high,), ())) == ()
    assert new.report(HolderReport("h1", 1, (low,), ())) == ()
    assert new.running("ann") == 2


def test_a_new_book_settles_after_the_ttl() -> None:
    clock = FakeClock()
    leases = book(clock)
    clock.now_s += 2.0
    assert leases.settles_in_s == pytest.approx(TTL_S - 2.0)
    clock.now_s += 10.0
    assert leases.settles_in_s == 0.0


def test_nothing_is_remembered_of_who_is_gone() -> None:
    clock = FakeClock()
    leases = book(clock)
    for number in range(100):
        leases.acquire(f"h{number}", lease(f"l{number}", 0, user_id=f"u{number}"))
    assert leases.size == BookSize(holders=100, users=100, leases=100)
    leases.report(HolderReport("h0", 1, (), ()))
    assert leases.size == BookSize(holders=100, users=99, leases=99)
    clock.now_s += TTL_S + 1
    assert leases.size == BookSize(holders=0, users=0, leases=0)
