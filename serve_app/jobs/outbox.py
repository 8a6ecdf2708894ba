"""What is to be delivered to webhooks, each attempt on record.

A message is written in the transaction that ends its job, so there is one for every job that completed or failed. An
attempt is written down before it is made, and the time at which it is taken for lost together with it: a sender that
dies leaves an attempt on record, and the message to others. So a message is delivered at least once.

It is given up by its age, and only by an attempt that failed then: who restarts the service uses nothing up, and after
an outage of ours, however long, each message is tried.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.contracts import TraceContext
from serve_app.jobs.clock import DatabaseClock, database_time_s
from serve_app.jobs.contracts import Delivery, DeliveryAttempt, DeliveryState
from serve_app.jobs.messages import Message
from serve_app.jobs.rows import ORDER
from serve_app.jobs.tables import DELIVERIES, DELIVERY_ATTEMPTS, JOBS
from serve_app.storage.database import Database
from serve_app.storage.tables import USERS

_SENDER_DIED = "the worker died before there was an answer"
_MAX_ERROR_CHARACTERS = 500
_SENDERS_AT_ONCE = 4
"""So many that look for work in the same moment, and see the same, each find some."""
_MAX_LOST_ATTEMPTS = 10
"""A message past its age that has lost so many may be what its senders die of."""


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """An attempt that is to be made now; ``secret`` is the user's, ``whsec_`` and base64.

    ``request_id`` and ``trace`` are those of the request that brought the job.
    """

    id: str
    number: int
    url: str = field(repr=False)
    method: str
    body: str = field(repr=False)
    secret: str = field(repr=False)
    job_id: str
    request_id: str
    trace: TraceContext | None = None


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How an attempt ended: an answer's status, or an error. ``state`` pending means: again after retry_in_s.

    What the sender broke off itself says nothing about the receiver, and gives no message up.
    """

    state: DeliveryState
    duration_s: float
    status: int | None = None
    error: str | None = None
    retry_in_s: float = 0.0
    broken_off: bool = False


class Outbox:
    """Messages that wait, under attempts of bounded time. Every method raises ServiceUnavailable as Database does."""

    def __init__(
        self,
        database: Database,
        give_up_after_s: float,
        attempt_lease_s: float,
        clock: DatabaseClock = database_time_s,
    ) -> None:
        """An attempt that fails give_up_after_s after its job ended is the last.

        One that has no outcome after attempt_lease_s is lost: longer than a request may take.
        """
        self._database = database
        self._give_up_after_s = give_up_after_s
        self._attempt_lease_s = attempt_lease_s
        self._clock = clock

    async def claim(self, limit: int) -> tuple[DueDelivery, ...]:
        """Begin attempts that are due: of the user with the fewest under way, and there first attempts first.

        So webhooks that are down, or that hang until their time is over, hold up nobody else's.
        """
        async with self._database.reading() as connection:
            turn = _next_in_turn(await self._clock(connection), _SENDERS_AT_ONCE * limit)
            delivery_ids = (await connection.execute(turn)).scalars().all()
        if not delivery_ids:
            return ()
        async with self._database.writing() as connection:
            now_s = await self._clock(connection)
            rows = (await connection.execute(_locked(delivery_ids, now_s, limit))).all()
            begun = [await self._begin(connection, row, now_s) for row in rows]
        return tuple(delivery for delivery in begun if delivery is not None)

    async def settle(self, delivery: DueDelivery, outcome: AttemptOutcome) -> None:
        """Write an attempt's outcome down. One that comes late, when another attempt has begun, changes the record.

        What was delivered stays so, whichever attempt it was.
        """
        columns = DELIVERIES.c
        async with self._database.writing() as connection:
            known = select(columns.state, columns.attempts, JOBS.c.ended_at_s).where(columns.id == delivery.id)
            known = known.join(JOBS, JOBS.c.id == columns.job_id).with_for_update(of=DELIVERIES)
            row = (await connection.execute(known)).one_or_none()
            if row is None:
                return
            await _record(connection, delivery.id, delivery.number, outcome)
            is_latest = row.attempts == delivery.number
            if row.state != DeliveryState.PENDING or not (is_latest or outcome.state is DeliveryState.DELIVERED):
                return
            now_s = await self._clock(connection)
            has_failed = outcome.state is DeliveryState.PENDING and not outcome.broken_off
            gave_up = has_failed and self._is_old(row.ended_at_s, now_s)
            state = DeliveryState.FAILED if gave_up else outcome.state
            await connection.execute(
                update(DELIVERIES)
                .where(columns.id == delivery.id)
                .values(state=state.value, next_attempt_at_s=now_s + outcome.retry_in_s)
            )

    def _is_old(self, ended_at_s: float, now_s: float) -> bool:
        return now_s - ended_at_s >= self._give_up_after_s

    async def _begin(self, connection: AsyncConnection, row: Row[Any], now_s: float) -> DueDelivery | None:
        lost = DELIVERY_ATTEMPTS.c
        await connection.execute(
            update(DELIVERY_ATTEMPTS)
            .where(lost.delivery_id == row.id, lost.status.is_(None), lost.error.is_(None))
            .values(error=_SENDER_DIED)
        )
        this = update(DELIVERIES).where(DELIVERIES.c.id == row.id)
        if self._is_old(row.ended_at_s, now_s) and await _lost_attempts(connection, row.id) >= _MAX_LOST_ATTEMPTS:
            await connection.execute(this.values(state=DeliveryState.FAILED.value))
            return None
        number = row.attempts + 1
        await connection.execute(this.values(attempts=number, next_attempt_at_s=now_s + self._attempt_lease_s))
        await connection.execute(insert(DELIVERY_ATTEMPTS).values(delivery_id=row.id, number=number, at_s=now_s))
        order = ORDER.validate_json(row.order_json)
        return DueDelivery(
            id=row.id,
            number=number,
            url=row.url,
            method=row.method,
            body=row.body,
            secret=row.webhook_secret,
            job_id=row.job_id,
            request_id=order.request.request_id,
            trace=order.trace,
        )


def _is_due(now_s: float) -> ColumnElement[bool]:
    return and_(DELIVERIES.c.state == DeliveryState.PENDING.value, DELIVERIES.c.next_attempt_at_s <= now_s)


def _next_in_turn(now_s: float, limit: int) -> Select[Any]:
    """Ids of deliveries that are due, in the order in which users take turns."""
    columns, attempts = DELIVERIES.c, DELIVERY_ATTEMPTS.c
    under_way = (
        select(JOBS.c.user_id, func.count().label("attempts"))
        .join(DELIVERIES, columns.job_id == JOBS.c.id)
        .join(DELIVERY_ATTEMPTS, and_(attempts.delivery_id == columns.id, attempts.number == columns.attempts))
        .where(columns.state == DeliveryState.PENDING.value, columns.next_attempt_at_s > now_s)
        .where(attempts.status.is_(None), attempts.error.is_(None))
        .group_by(JOBS.c.user_id)
        .subquery()
    )
    in_order = (columns.attempts, columns.next_attempt_at_s)
    place = func.row_number().over(partition_by=JOBS.c.user_id, order_by=in_order)
    return (
        select(columns.id)
        .join(JOBS, JOBS.c.id == columns.job_id)
        .join(under_way, under_way.c.user_id == JOBS.c.user_id, isouter=True)
        .where(_is_due(now_s))
        .order_by(func.coalesce(under_way.c.attempts, 0) + place, *in_order)
        .limit(limit)
    )


def _locked(delivery_ids: Sequence[str], now_s: float, limit: int) -> Select[Any]:
    """The first of these that are still due: another sender may have begun with some, or be about to."""
    turn = {delivery_id: number for number, delivery_id in enumerate(delivery_ids)}
    return (
        select(DELIVERIES, USERS.c.webhook_secret, JOBS.c.order_json, JOBS.c.ended_at_s)
        .join(JOBS, JOBS.c.id == DELIVERIES.c.job_id)
        .join(USERS, USERS.c.id == JOBS.c.user_id)
        .where(DELIVERIES.c.id.in_(delivery_ids), _is_due(now_s))
        .order_by(case(turn, value=DELIVERIES.c.id))
        .limit(limit)
        .with_for_update(of=DELIVERIES, skip_locked=True)
    )


async def post(connection: AsyncConnection, job_id: str, message: Message, now_s: float) -> None:
    """Put a message into the outbox, as part of a transaction."""
    await connection.execute(
        insert(DELIVERIES).values(
            id=f"msg_{secrets.token_hex(16)}",
            job_id=job_id,
            url=message.url,
            method=message.method,
            body=message.body,
            state=DeliveryState.PENDING.value,
            attempts=0,
            next_attempt_at_s=now_s,
        )
    )


async def deliveries_of(connection: AsyncConnection, job_ids: Sequence[str]) -> dict[str, tuple[Delivery, ...]]:
    """Deliveries of jobs, with their attempts in order, by job."""
    attempts: dict[str, list[DeliveryAttempt]] = {}
    tried = (
        select(DELIVERY_ATTEMPTS)
        .join(DELIVERIES, DELIVERIES.c.id == DELIVERY_ATTEMPTS.c.delivery_id)
        .where(DELIVERIES.c.job_id.in_(job_ids))
        .order_by(DELIVERY_ATTEMPTS.c.number)
    )
    for row in await connection.execute(tried):
        attempt = DeliveryAttempt(row.number, row.at_s, row.duration_s, row.status, row.error)
        attempts.setdefault(row.delivery_id, []).append(attempt)
    deliveries: dict[str, tuple[Delivery, ...]] = {}
    # Not their bodies: those are as long as transcripts.
    columns = [column for column in DELIVERIES.c if column is not DELIVERIES.c.body]
    for row in await connection.execute(select(*columns).where(DELIVERIES.c.job_id.in_(job_ids))):
        state = DeliveryState(row.state)
        next_attempt_at_s = row.next_attempt_at_s if state is DeliveryState.PENDING else None
        delivery = Delivery(row.id, row.url, row.method, state, next_attempt_at_s, tuple(attempts.get(row.id, ())))
        deliveries[row.job_id] = (*deliveries.get(row.job_id, ()), delivery)
    return deliveries


async def _lost_attempts(connection: AsyncConnection, delivery_id: str) -> int:
    columns = DELIVERY_ATTEMPTS.c
    lost = select(func.count()).where(columns.delivery_id == delivery_id, columns.error == _SENDER_DIED)
    return (await connection.execute(lost)).scalar_one()


async def _record(connection: AsyncConnection, delivery_id: str, number: int, outcome: AttemptOutcome) -> None:
    columns = DELIVERY_ATTEMPTS.c
    await connection.execute(
        update(DELIVERY_ATTEMPTS)
        .where(columns.delivery_id == delivery_id, columns.number == number)
        .values(
            duration_s=outcome.duration_s,
            status=outcome.status,
            error=None if outcome.error is None else outcome.error[:_MAX_ERROR_CHARACTERS],
        )
    )
