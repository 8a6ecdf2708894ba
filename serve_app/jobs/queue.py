"""The jobs as their runners see them: claimed under a lease, and ended once.

A lease has an id of its own for each attempt, and whatever a runner does to a job it does under that id: who lost the
lease can change nothing any more, however late it comes back. A lease whose time has passed is still its runner's as
long as nobody else took the job.

What counts towards giving a job up (setbacks): a runner that died with it, and errors that the job may have caused.
That the service was at capacity, or shut down, does not count: such a job waits as long as it takes.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.contracts import Transcript
from serve_app.jobs.clock import DatabaseClock, database_time_s
from serve_app.jobs.contact import DatabaseContact
from serve_app.jobs.contracts import CallbackForm, Job, JobFailure, JobStatus
from serve_app.jobs.messages import message_of
from serve_app.jobs.outbox import post
from serve_app.jobs.rows import FAILURE, TRANSCRIPT, locked, move
from serve_app.jobs.tables import JOBS
from serve_app.settings import JobSettings
from serve_app.storage.database import Database

_TAKEN_BACK_AT_ONCE = 20


class Biller(Protocol):
    """The usage ledger, as the queue sees it."""

    async def check(self, job: Job) -> None:
        """Whether its user may have it done now: who queued many jobs had the wallet and the quota for the first.

        Raises:
            InsufficientCredits: the wallet is empty.
            QuotaExceeded: today's audio is used up.
        """
        ...

    async def bill(self, connection: AsyncConnection, job: Job, transcript: Transcript) -> None:
        """Record and charge a completed job, as part of a transaction; once, however often it is asked to."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is its runner's while the lease lasts."""

    job: Job
    lease_id: str


class JobQueue:
    """Hands jobs out and takes their endings. All methods raise ServiceUnavailable as Database does."""

    def __init__(
        self,
        database: Database,
        settings: JobSettings,
        forms: Mapping[str, CallbackForm],
        biller: Biller,
        contact: DatabaseContact,
        clock: DatabaseClock = database_time_s,
    ) -> None:
        self._database = database
        self._settings = settings
        self._forms = forms
        self._biller = biller
        self._contact = contact
        self._clock = clock

    async def claim(self, held: Collection[str] = ()) -> Claim | None:
        """The next job, or None: of the user with the fewest running jobs the one that came first.

        Jobs whose lease ended are queued again before, or given up where that happened too often; but not those under
        the leases that the caller holds, which are prolonged, and none while silence may be our own.
        """
        async with self._database.reading() as connection:
            now_s = await self._clock(connection)
            may_take_back = self._contact.reached(now_s)
            is_work = or_(_is_claimable(now_s), _is_abandoned(now_s)) if may_take_back else _is_claimable(now_s)
            if (await connection.execute(select(JOBS.c.id).where(is_work).limit(1))).first() is None:
                return None
        async with self._database.writing() as connection:
            now_s = await self._clock(connection)
            if may_take_back:
                await self._prolong(connection, held, now_s)
                await self._take_back(connection, now_s)
            row = (await connection.execute(_next_job(now_s))).one_or_none()
            if row is None:
                return None
            lease_id = f"lease_{secrets.token_hex(16)}"
            job = await move(
                connection,
                row,
                JobStatus.RUNNING,
                attempts=row.attempts + 1,
                started_at_s=now_s if row.started_at_s is None else row.started_at_s,
                lease_id=lease_id,
                lease_until_s=now_s + self._settings.lease_s,
            )
        return Claim(job, lease_id)

    async def check(self, claim: Claim) -> None:
        """See Biller."""
        await self._biller.check(claim.job)

    async def renew(self, lease_ids: Collection[str]) -> frozenset[str]:
        """Prolong leases; those that are lost, because the job was cancelled or somebody else has it.

        Without any it keeps in touch, however seldom the caller looks for jobs.
        """
        if not lease_ids:
            async with self._database.reading() as connection:
                self._contact.reached(await self._clock(connection))
            return frozenset()
        async with self._database.writing() as connection:
            now_s = await self._clock(connection)
            self._contact.reached(now_s)
            return frozenset(lease_ids) - await self._prolong(connection, lease_ids, now_s)

    async def complete(self, claim: Claim, transcript: Transcript) -> bool:
        """Keep the result, charge for it and send it, all or nothing; False if the lease was lost."""
        async with self._database.reading() as connection:
            now_s = await self._clock(connection)
        done = replace(claim.job, status=JobStatus.COMPLETED, ended_at_s=now_s, transcript=transcript)
        # Of two hours they take 0.4 s to write, and nobody is to wait for it, neither here nor for the database.
        result, message = await asyncio.to_thread(
            lambda: (TRANSCRIPT.dump_json(transcript).decode(), message_of(done, self._forms))
        )
        async with self._database.writing() as connection:
            row = await _held(connection, claim)
            if row is None:
                return False
            await move(connection, row, JobStatus.COMPLETED, ended_at_s=now_s, transcript_json=result)
            await self._biller.bill(connection, done, transcript)
            await post(connection, done.id, message, now_s)
        return True

    async def fail(self, claim: Claim, failure: JobFailure) -> bool:
        """End a job that will never succeed, and tell its webhook; it costs nothing. False if the lease was lost."""
        async with self._database.writing() as connection:
            row = await _held(connection, claim)
            if row is None:
                return False
            await self._end_as_failed(connection, row, failure, await self._clock(connection))
        return True

    async def put_back(self, claim: Claim, delay_s: float, setback: JobFailure | None = None) -> bool:
        """Queue a job again, not before delay_s have passed; False if the lease was lost.

        With a setback the attempt counts, and the last one that may ends the job as failed for this reason.
        """
        async with self._database.writing() as connection:
            row = await _held(connection, claim)
            if row is None:
                return False
            await self._requeue(connection, row, await self._clock(connection), delay_s, setback)
        return True

    async def _prolong(self, connection: AsyncConnection, lease_ids: Collection[str], now_s: float) -> frozenset[str]:
        prolonged = (
            update(JOBS).where(JOBS.c.lease_id.in_(lease_ids)).values(lease_until_s=now_s + self._settings.lease_s)
        )
        return frozenset((await connection.execute(prolonged.returning(JOBS.c.lease_id))).scalars())

    async def _take_back(self, connection: AsyncConnection, now_s: float) -> None:
        """Jobs whose runner is silent; skip_locked, because a runner that just renews is not."""
        abandoned = select(JOBS).where(_is_abandoned(now_s)).limit(_TAKEN_BACK_AT_ONCE)
        for row in (await connection.execute(abandoned.with_for_update(skip_locked=True))).all():
            death = JobFailure("WorkerDied", "the worker died while it worked on this job")
            await self._requeue(connection, row, now_s, 0.0, death)

    async def _requeue(
        self, connection: AsyncConnection, row: Row[Any], now_s: float, delay_s: float, setback: JobFailure | None
    ) -> None:
        setbacks = row.setbacks + (setback is not None)
        if setback is not None and setbacks >= self._settings.max_attempts:
            reason = f"Given up after {setbacks} attempts; the last one: {setback.message}"
            await self._end_as_failed(connection, row, JobFailure(setback.error, reason), now_s)
            return
        await move(connection, row, JobStatus.QUEUED, setbacks=setbacks, claimable_at_s=now_s + delay_s)

    async def _end_as_failed(
        self, connection: AsyncConnection, row: Row[Any], failure: JobFailure, now_s: float
    ) -> None:
        reason = FAILURE.dump_json(failure).decode()
        job = await move(connection, row, JobStatus.FAILED, ended_at_s=now_s, failure_json=reason)
        await post(connection, job.id, message_of(job, self._forms), now_s)


async def _held(connection: AsyncConnection, claim: Claim) -> Row[Any] | None:
    return await locked(connection, and_(JOBS.c.id == claim.job.id, JOBS.c.lease_id == claim.lease_id))


def _is_claimable(now_s: float) -> ColumnElement[bool]:
    return and_(JOBS.c.status == JobStatus.QUEUED.value, JOBS.c.claimable_at_s <= now_s)


def _is_abandoned(now_s: float) -> ColumnElement[bool]:
    return and_(JOBS.c.status == JobStatus.RUNNING.value, JOBS.c.lease_until_s <= now_s)


def _next_job(now_s: float) -> Select[Any]:
    """Two runners that claim at once do not see each other's claim, so shares are fair but for the last moment."""
    running = (
        select(JOBS.c.user_id, func.count().label("jobs"))
        .where(JOBS.c.status == JobStatus.RUNNING.value)
        .group_by(JOBS.c.user_id)
        .subquery()
    )
    return (
        select(JOBS)
        .join(running, running.c.user_id == JOBS.c.user_id, isouter=True)
        .where(_is_claimable(now_s))
        .order_by(func.coalesce(running.c.jobs, 0), JOBS.c.created_at_s, JOBS.c.id)
        .limit(1)
        .with_for_update(of=JOBS, skip_locked=True)
    )
