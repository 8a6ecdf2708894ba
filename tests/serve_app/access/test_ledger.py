from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, func, select

from deployments.errors import InsufficientCredits, NotFound, QuotaExceeded
from serve_app.access.ledger import Ledger
from serve_app.access.plans import UNLIMITED, Plan
from serve_app.access.pricing import FREE, Charge, Cost, Outcome, price
from serve_app.access.usage import UsageRow, UsageTotal
from serve_app.access.users import User, UserStore
from serve_app.access.visit import Caller
from serve_app.settings import AccessSettings
from serve_app.storage.database import Database
from serve_app.storage.tables import LEDGER, USAGE_DAYS, USERS
from tests.examples import examples
from tests.fakes.clock import FakeClock
from tests.fakes.killed_recorder import PLAN as KILLED_PLAN
from tests.fakes.killed_recorder import charge as killed_charge

pytestmark = pytest.mark.unit

_PLAN = Plan(price_per_audio_second=Decimal("0.001"), diarization_surcharge=Decimal("0.30"))
_NOON_S = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(_NOON_S)


@pytest.fixture
def ledger(database: Database, clock: FakeClock) -> Ledger:
    return Ledger(database, billing=True, clock=clock)


def _charge(user: User, request_id: str = "", **parts: object) -> Charge:
    charge = Charge(
        request_id or f"req_{uuid.uuid4().hex}", user.id, None, "openai", 12.0, 10.0, False, Outcome.COMPLETED
    )
    return replace(charge, **parts)  # type: ignore[arg-type]


def _caller(user: User) -> Caller:
    return Caller(user.id, user.name, user.plan_name)


@dataclass(frozen=True)
class _Books:
    """What the tables say of a user, each added up on its own."""

    balance_micros: int
    ledger_micros: int
    charges: int
    days_requests: int
    days_billed_s: float


async def _books(database: Database, user: User) -> _Books:
    entries, days = LEDGER.c, USAGE_DAYS.c
    of_user = entries.user_id == user.id
    is_charge = of_user & (entries.kind == "charge")
    async with database.reading() as connection:

        async def sum_of(column: ColumnElement[Any], condition: ColumnElement[bool]) -> float:
            query = select(func.coalesce(column, 0)).where(condition)
            return float((await connection.execute(query)).scalar_one())

        return _Books(
            balance_micros=int(await sum_of(USERS.c.balance_micros, USERS.c.id == user.id)),
            ledger_micros=int(await sum_of(func.sum(entries.amount_micros), of_user)),
            charges=int(await sum_of(func.count(entries.id), is_charge)),
            days_requests=int(await sum_of(func.sum(days.requests), days.user_id == user.id)),
            days_billed_s=await sum_of(func.sum(days.billable_s), days.user_id == user.id),
        )


async def test_a_request_is_written_down_and_paid_for(ledger: Ledger, ann: User, database: Database) -> None:
    assert await ledger.top_up(ann.id, 1_000_000, "paid in advance") == 1_000_000
    receipt = await ledger.record(_charge(ann, "req_1", diarized=True), _PLAN)
    assert (receipt.id, receipt.outcome, receipt.billed_s) == ("req_1", Outcome.COMPLETED, 10.0)
    assert receipt.cost == Cost(10_000, 3_000)
    assert receipt.recorded_at_s == _NOON_S
    assert await _books(database, ann) == _Books(987_000, 987_000, 1, 1, 10.0)


async def test_a_second_record_of_a_request_changes_nothing(
    ledger: Ledger, ann: User, database: Database, clock: FakeClock
) -> None:
    first = await ledger.record(_charge(ann, "req_1"), _PLAN)
    clock.now_s += 86400.0
    second = await ledger.record(_charge(ann, "req_1", billable_s=99.0, outcome=Outcome.FAILED), _PLAN)
    assert second == first
    assert await _books(database, ann) == _Books(-10_000, -10_000, 1, 1, 10.0)


async def test_what_was_not_completed_is_written_down_and_free(ledger: Ledger, ann: User, database: Database) -> None:
    for outcome in Outcome:
        if outcome is not Outcome.COMPLETED:
            receipt = await ledger.record(_charge(ann, outcome=outcome), _PLAN)
            assert (receipt.outcome, receipt.cost, receipt.billed_s) == (outcome, FREE, 0.0)
    assert await _books(database, ann) == _Books(0, 0, 5, 5, 0.0)


async def test_without_billing_nothing_costs_anything(ann: User, database: Database) -> None:
    ledger = Ledger(database, billing=False)
    assert (await ledger.record(_charge(ann), _PLAN)).cost == FREE
    assert await _books(database, ann) == _Books(0, 0, 1, 1, 10.0)
    await ledger.check(ann.id, _PLAN)


async def test_a_record_is_part_of_the_transaction_it_is_given(ledger: Ledger, ann: User, database: Database) -> None:
    async def record_and_fail() -> None:
        async with database.writing() as connection:
            await ledger.record(_charge(ann), _PLAN, connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await record_and_fail()
    assert await _books(database, ann) == _Books(0, 0, 0, 0, 0.0)
    async with database.writing() as connection:
        await ledger.record(_charge(ann), _PLAN, connection)
    assert await _books(database, ann) == _Books(-10_000, -10_000, 1, 1, 10.0)


async def test_nobody_pays_for_an_unknown_user(ledger: Ledger, ann: User) -> None:
    stranger = replace(ann, id="user_0", name="zoe")
    with pytest.raises(NotFound):
        await ledger.record(_charge(stranger), _PLAN)
    with pytest.raises(NotFound):
        await ledger.top_up("user_0", 1)
    with pytest.raises(NotFound):
        await ledger.check(stranger.id, _PLAN)


async def test_an_empty_wallet_ends_it(ledger: Ledger, ann: User) -> None:
    with pytest.raises(InsufficientCredits):
        await ledger.check(ann.id, UNLIMITED)
    await ledger.top_up(ann.id, 10_000)
    await ledger.check(ann.id, UNLIMITED)
    await ledger.record(_charge(ann), _PLAN)
    with pytest.raises(InsufficientCredits):
        await ledger.check(ann.id, UNLIMITED)


async def test_a_quota_lasts_until_midnight_utc(database: Database, ann: User, clock: FakeClock) -> None:
    ledger = Ledger(database, billing=False, clock=clock)
    plan = Plan(audio_hours_per_day=0.01)
    await ledger.record(_charge(ann, billable_s=35.9), plan)
    await ledger.record(_charge(ann, billable_s=50.0, outcome=Outcome.CANCELLED), plan)
    await ledger.check(ann.id, plan)
    await ledger.record(_charge(ann, billable_s=0.2), plan)
    with pytest.raises(QuotaExceeded) as caught:
        await ledger.check(ann.id, plan)
    assert (caught.value.audio_hours_per_day, caught.value.retry_after_s) == (0.01, 12 * 3600.0)
    await ledger.check(ann.id, UNLIMITED)
    clock.now_s += caught.value.retry_after_s - 0.25
    with pytest.raises(QuotaExceeded) as caught:
        await ledger.check(ann.id, plan)
    assert caught.value.retry_after_s == 0.25
    clock.now_s += 0.25
    await ledger.check(ann.id, plan)


async def test_one_users_usage_does_not_count_for_another(database: Database, ann: User, clock: FakeClock) -> None:
    ledger, plan = Ledger(database, billing=False, clock=clock), Plan(audio_hours_per_day=0.001)
    bob = await UserStore(database, AccessSettings()).ensure("bob")
    await ledger.record(_charge(ann), plan)
    with pytest.raises(QuotaExceeded):
        await ledger.check(ann.id, plan)
    await ledger.check(bob.id, plan)


async def test_usage_by_day_and_by_dialect(ledger: Ledger, ann: User, database: Database, clock: FakeClock) -> None:
    bob = await UserStore(database, AccessSettings()).ensure("bob")
    await ledger.top_up(ann.id, 5_000_000)
    await ledger.record(_charge(ann), _PLAN)
    await ledger.record(_charge(ann, outcome=Outcome.NO_SPEECH), _PLAN)
    await ledger.record(_charge(ann, dialect="sixtydb", diarized=True), _PLAN)
    await ledger.record(_charge(bob), _PLAN)
    clock.now_s += 86400.0
    await ledger.record(_charge(ann), _PLAN)
    first, second = date(2026, 3, 1), date(2026, 3, 2)
    report = await ledger.usage(ann.id, first, second)
    assert report.rows == (
        UsageRow(first, "openai", UsageTotal(2, 24.0, 10.0, 10_000)),
        UsageRow(first, "sixtydb", UsageTotal(1, 12.0, 10.0, 13_000)),
        UsageRow(second, "openai", UsageTotal(1, 12.0, 10.0, 10_000)),
    )
    assert report.total == UsageTotal(4, 48.0, 30.0, 33_000)
    assert report.by_day == {first: UsageTotal(3, 36.0, 20.0, 23_000), second: UsageTotal(1, 12.0, 10.0, 10_000)}
    assert report.by_dialect == {
        "openai": UsageTotal(3, 36.0, 20.0, 20_000),
        "sixtydb": UsageTotal(1, 12.0, 10.0, 13_000),
    }
    assert (await ledger.usage(None, first, first)).total == UsageTotal(4, 48.0, 30.0, 33_000)
    assert (await ledger.usage(ann.id, second, second)).total.requests == 1
    nothing = await ledger.usage(ann.id, second + timedelta(days=1), second + timedelta(days=9))
    assert (nothing.rows, nothing.total) == ((), UsageTotal())


_REQUESTS = st.builds(
    lambda number, billable_s, diarized, outcome: (number, billable_s, diarized, outcome),
    # Few numbers: many of the requests are recorded more than once, and at once.
    st.integers(0, 5),
    st.floats(0, 7200),
    st.booleans(),
    st.sampled_from(Outcome),
)


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=st.lists(_REQUESTS, max_size=12), top_ups=st.lists(st.integers(-(10**6), 10**9), max_size=4))
async def test_the_balance_is_the_sum_of_the_rows(
    database_url: str, requests: list[tuple[int, float, bool, Outcome]], top_ups: list[int]
) -> None:
    """Whatever is recorded, however often, and by several processes at once."""
    here, there = Database(database_url), Database(database_url)
    try:
        name = uuid.uuid4().hex
        user = await UserStore(here, AccessSettings()).ensure(name)
        ledgers = (Ledger(here, billing=True), Ledger(there, billing=True))
        charges = [
            _charge(user, f"{name}_{number}", billable_s=billable_s, diarized=diarized, outcome=outcome)
            for number, billable_s, diarized, outcome in requests
        ]
        receipts, _ = await asyncio.gather(
            asyncio.gather(*(ledgers[index % 2].record(charge, _PLAN) for index, charge in enumerate(charges))),
            asyncio.gather(*(ledgers[index % 2].top_up(user.id, amount) for index, amount in enumerate(top_ups))),
        )
        first = {receipt.id: receipt for receipt in receipts}
        assert set(receipts) == set(first.values())
        for receipt in first.values():
            assert receipt.cost in {price(_PLAN, charge) for charge in charges if charge.id == receipt.id}
        paid = sum(top_ups) - sum(receipt.cost.total_micros for receipt in first.values())
        books = await _books(here, user)
        assert (books.balance_micros, books.ledger_micros) == (paid, paid)
        assert (books.charges, books.days_requests) == (len(first), len(first))
        assert books.days_billed_s == pytest.approx(sum(receipt.billed_s for receipt in first.values()))
    finally:
        await here.close()
        await there.close()


async def test_many_at_once_lose_nothing(database_url: str) -> None:
    # They write one after the other, and the machine may be busy.
    databases = [Database(database_url, lock_timeout_s=120.0) for _ in range(3)]
    users = UserStore(databases[0], AccessSettings())
    ann, bob = await users.ensure("ann"), await users.ensure("bob")
    ledgers = [Ledger(database, billing=True) for database in databases]
    charges = [_charge(ann if number % 2 else bob) for number in range(60)]
    # Twice each, by different processes.
    await asyncio.gather(*(ledger.record(charge, _PLAN) for charge in charges for ledger in ledgers[:2]))
    for user in (ann, bob):
        assert await _books(databases[2], user) == _Books(-300_000, -300_000, 30, 30, 300.0)
    for database in databases:
        await database.close()


def test_a_killed_process_leaves_a_whole_charge_or_none(database_url: str) -> None:
    async def prepare() -> User:
        database = Database(database_url)
        try:
            return await UserStore(database, AccessSettings()).ensure("ann")
        finally:
            await database.close()

    async def look(user: User, *, again: int) -> _Books:
        database = Database(database_url)
        try:
            for number in range(1, again + 1):
                await Ledger(database, billing=True).record(killed_charge(number, user.id), KILLED_PLAN)
            return await _books(database, user)
        finally:
            await database.close()

    user = asyncio.run(prepare())
    command = [sys.executable, "-m", "tests.fakes.killed_recorder", database_url, user.id]
    processes = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    # At least: hold the user, look for a first receipt, write, count, pay, store.
    assert processes > 6
    after_the_kills = asyncio.run(look(user, again=0))
    # The last of them was not killed; of the others nothing is there, since none of them got to the end.
    assert after_the_kills == _Books(-80_000, -80_000, 1, 1, 8.0)
    n = processes
    assert asyncio.run(look(user, again=n)) == _Books(-80_000 * n, -80_000 * n, n, n, 8.0 * n)
