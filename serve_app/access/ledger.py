"""The usage ledger and the wallets: one row for each finished request and each top-up."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.errors import InsufficientCredits, NotFound, QuotaExceeded
from serve_app.access.plans import Plan
from serve_app.access.pricing import FREE, Charge, Cost, Outcome, price
from serve_app.access.usage import UsageReport, UsageRow, UsageTotal
from serve_app.storage.database import Database
from serve_app.storage.tables import LEDGER, USAGE_DAYS, USERS

_CHARGE = "charge"
_TOP_UP = "top_up"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the ledger says of a request."""

    id: str
    user_id: str
    outcome: Outcome
    billed_s: float
    cost: Cost
    recorded_at_s: float


class Ledger:
    """Records what was done and what it cost; a user's balance is always the sum of the user's rows.

    Every change of a user's money holds the user's row, so the changes of one user come one after the other, and
    what was read before a change is still true when it is made.
    """

    def __init__(self, database: Database, *, billing: bool, clock: Callable[[], float] = time.time) -> None:
        """Without billing everything is recorded and nothing costs anything; clock gives seconds since 1970."""
        self._database = database
        self._billing = billing
        self._clock = clock

    async def check(self, user_id: str, plan: Plan) -> None:
        """Whether a request may begin. One read; none where the plan has no quota and nothing is billed.

        Requests are charged when they end, so those that run at once may overdraw the wallet and the quota by what
        they bring.

        Raises:
            InsufficientCredits: the wallet is empty.
            QuotaExceeded: today's audio is used up.
            ServiceUnavailable: the database does not answer.
        """
        if not self._billing and plan.audio_hours_per_day is None:
            return
        now_s = self._clock()
        today = and_(USAGE_DAYS.c.user_id == USERS.c.id, USAGE_DAYS.c.day == _utc_day(now_s))
        query = (
            select(USERS.c.balance_micros, func.coalesce(USAGE_DAYS.c.billable_s, 0.0))
            .join_from(USERS, USAGE_DAYS, today, isouter=True)
            .where(USERS.c.id == user_id)
        )
        async with self._database.reading() as connection:
            found = (await connection.execute(query)).one_or_none()
        if found is None:
            raise NotFound("user", user_id)
        balance_micros, used_s = found
        if self._billing and balance_micros <= 0:
            raise InsufficientCredits
        hours = plan.audio_hours_per_day
        if hours is not None and used_s >= hours * 3600:
            raise QuotaExceeded(hours, _until_midnight_s(now_s))

    async def record(self, charge: Charge, plan: Plan, connection: AsyncConnection | None = None) -> Receipt:
        """Write a finished request down, count it for its day and take its price from the wallet, or none of these.

        A request is recorded once: after that its first receipt is returned, whatever the second charge says. So after
        a crash it is safe to record again.

        Args:
            charge: what was done.
            plan: what it is priced by.
            connection: of a ``Database.writing()`` that this is to be a part of.

        Raises:
            NotFound: no such user.
            ServiceUnavailable: the database does not answer.
        """
        async with self._transaction(connection) as transaction:
            await _lock(transaction, charge.user_id)
            first = await transaction.execute(select(LEDGER).where(LEDGER.c.id == charge.id))
            if (row := first.one_or_none()) is not None:
                return _receipt(row)
            now_s = self._clock()
            cost = price(plan, charge) if self._billing else FREE
            await self._write_charge(transaction, charge, cost, now_s)
            await _count(transaction, charge, _utc_day(now_s))
            await _add_to_balance(transaction, charge.user_id, -cost.total_micros)
        return Receipt(charge.id, charge.user_id, charge.outcome, charge.billed_s, cost, now_s)

    async def top_up(self, user_id: str, amount_micros: int, note: str = "") -> int:
        """Add to a wallet, or take a mistake back with a negative amount; the new balance in micro-units.

        Raises:
            NotFound: no such user.
            ServiceUnavailable: the database does not answer.
        """
        async with self._database.writing() as transaction:
            balance_micros = await _lock(transaction, user_id)
            now_s = self._clock()
            await transaction.execute(
                insert(LEDGER).values(
                    id=f"top_up_{uuid.uuid4().hex}",
                    user_id=user_id,
                    kind=_TOP_UP,
                    amount_micros=amount_micros,
                    recorded_at_s=now_s,
                    day=_utc_day(now_s),
                    note=note,
                )
            )
            await _add_to_balance(transaction, user_id, amount_micros)
        return balance_micros + amount_micros

    async def usage(self, user_id: str | None, since: date, until: date) -> UsageReport:
        """What one user, or None for everybody, used from one UTC day to another, both included.

        Raises:
            ServiceUnavailable: the database does not answer.
        """
        query = (
            select(
                LEDGER.c.day,
                LEDGER.c.dialect,
                func.count(),
                func.sum(LEDGER.c.audio_s),
                func.sum(LEDGER.c.billable_s),
                func.sum(LEDGER.c.base_micros + LEDGER.c.surcharge_micros),
            )
            .where(LEDGER.c.kind == _CHARGE, LEDGER.c.day.between(since, until))
            .group_by(LEDGER.c.day, LEDGER.c.dialect)
            .order_by(LEDGER.c.day, LEDGER.c.dialect)
        )
        if user_id is not None:
            query = query.where(LEDGER.c.user_id == user_id)
        async with self._database.reading() as connection:
            found = (await connection.execute(query)).all()
        # int(): PostgreSQL adds big integers up to a Decimal.
        rows = (
            UsageRow(day, dialect, UsageTotal(requests, audio_s, billed_s, int(charged)))
            for day, dialect, requests, audio_s, billed_s, charged in found
        )
        return UsageReport(since, until, tuple(rows))

    @contextlib.asynccontextmanager
    async def _transaction(self, connection: AsyncConnection | None) -> AsyncIterator[AsyncConnection]:
        if connection is not None:
            yield connection
            return
        async with self._database.writing() as own:
            yield own

    async def _write_charge(self, connection: AsyncConnection, charge: Charge, cost: Cost, now_s: float) -> None:
        await connection.execute(
            insert(LEDGER).values(
                id=charge.id,
                user_id=charge.user_id,
                kind=_CHARGE,
                amount_micros=-cost.total_micros,
                recorded_at_s=now_s,
                day=_utc_day(now_s),
                key_id=charge.key_id,
                dialect=charge.dialect,
                outcome=charge.outcome.value,
                audio_s=charge.audio_s,
                billable_s=charge.billed_s,
                diarized=charge.diarized,
                base_micros=cost.base_micros,
                surcharge_micros=cost.surcharge_micros,
            )
        )


async def _lock(connection: AsyncConnection, user_id: str) -> int:
    """Hold the user's row until the transaction ends; the balance."""
    query = select(USERS.c.balance_micros).where(USERS.c.id == user_id).with_for_update()
    balance_micros: int | None = (await connection.execute(query)).scalar_one_or_none()
    if balance_micros is None:
        raise NotFound("user", user_id)
    return balance_micros


async def _count(connection: AsyncConnection, charge: Charge, day: date) -> None:
    days = USAGE_DAYS.c
    added = await connection.execute(
        update(USAGE_DAYS)
        .where(days.user_id == charge.user_id, days.day == day)
        .values(
            requests=days.requests + 1,
            audio_s=days.audio_s + charge.audio_s,
            billable_s=days.billable_s + charge.billed_s,
        )
    )
    if added.rowcount == 0:
        # Nobody else makes this row meanwhile: the user is ours.
        await connection.execute(
            insert(USAGE_DAYS).values(
                user_id=charge.user_id, day=day, requests=1, audio_s=charge.audio_s, billable_s=charge.billed_s
            )
        )


async def _add_to_balance(connection: AsyncConnection, user_id: str, amount_micros: int) -> None:
    if amount_micros:
        balance = USERS.c.balance_micros
        await connection.execute(
            update(USERS).where(USERS.c.id == user_id).values(balance_micros=balance + amount_micros)
        )


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(
        id=row.id,
        user_id=row.user_id,
        outcome=Outcome(row.outcome),
        billed_s=row.billable_s,
        cost=Cost(row.base_micros, row.surcharge_micros),
        recorded_at_s=row.recorded_at_s,
    )


def _utc_day(at_s: float) -> date:
    return datetime.fromtimestamp(at_s, UTC).date()


def _until_midnight_s(at_s: float) -> float:
    now = datetime.fromtimestamp(at_s, UTC)
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    return (midnight - now).total_seconds()
