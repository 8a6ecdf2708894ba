"""The jobs as their owners see them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import and_, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.errors import InvalidParameter, NotFound, Overloaded
from serve_app.access.visit import Visit
from serve_app.jobs.clock import DatabaseClock, database_time_s
from serve_app.jobs.contracts import Job, JobOrder, JobStatus
from serve_app.jobs.outbox import deliveries_of
from serve_app.jobs.rows import ORDER, WITHOUT_TRANSCRIPT, is_job_id, job_of, locked, move
from serve_app.jobs.tables import JOBS
from serve_app.storage.database import Database
from serve_app.storage.tables import USERS

_RETRY_AFTER_S = 60.0


class JobStore:
    """Writes jobs down and finds them. All methods raise ServiceUnavailable when the database does not answer."""

    def __init__(self, database: Database, max_queued_per_user: int, clock: DatabaseClock = database_time_s) -> None:
        self._database = database
        self._max_queued_per_user = max_queued_per_user
        self._clock = clock

    async def check_room(self, user_id: str) -> None:
        """Whether another job of this user would be accepted now.

        Raises:
            Overloaded: too many wait already.
        """
        async with self._database.reading() as connection:
            await self._check_room(connection, user_id)

    async def accept(self, job_id: str, visit: Visit, order: JobOrder) -> Job:
        """Queue a job whose audio is stored under its id.

        Raises:
            Overloaded: too many of this user's jobs wait.
        """
        caller = visit.caller
        async with self._database.writing() as connection:
            # Those of one user come one after the other, so that none slips past the limit.
            user = select(USERS.c.id).where(USERS.c.id == caller.user_id)
            await connection.execute(user.with_for_update(key_share=True))
            await self._check_room(connection, caller.user_id)
            now_s = await self._clock(connection)
            values = {
                "id": job_id,
                "user_id": caller.user_id,
                "key_id": caller.key_id,
                "plan": caller.plan_name,
                "order_json": ORDER.dump_json(order).decode(),
                "status": JobStatus.QUEUED.value,
                "audio_stored": True,
                "attempts": 0,
                "setbacks": 0,
                "created_at_s": now_s,
                "claimable_at_s": now_s,
            }
            return job_of((await connection.execute(insert(JOBS).values(values).returning(JOBS))).one())

    async def find(self, user_id: str, job_id: str) -> Job:
        """One job, with its transcript and its deliveries.

        Raises:
            NotFound: there is none of this user's.
        """
        if not is_job_id(job_id):
            raise NotFound("job", job_id)
        async with self._database.reading() as connection:
            query = select(JOBS).where(JOBS.c.id == job_id, JOBS.c.user_id == user_id)
            if (row := (await connection.execute(query)).one_or_none()) is None:
                raise NotFound("job", job_id)
            # The transcript of two hours takes 0.2 s to read.
            (job,) = await _with_deliveries(connection, [await asyncio.to_thread(job_of, row)])
        return job

    async def recent(self, user_id: str, limit: int, before: str | None = None) -> tuple[Job, ...]:
        """Jobs with greater ids, which are later ones, first; with deliveries and without transcripts.

        Raises:
            InvalidParameter: ``before`` is no job's id. It need not be there any more.
        """
        if before is not None and not is_job_id(before):
            raise InvalidParameter("before", "not the id of a job")
        query = select(*WITHOUT_TRANSCRIPT).where(JOBS.c.user_id == user_id)
        if before is not None:
            query = query.where(JOBS.c.id < before)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query.order_by(JOBS.c.id.desc()).limit(limit))).all()
            return await _with_deliveries(connection, [job_of(row) for row in rows])

    async def cancel(self, user_id: str, job_id: str) -> Job:
        """End a job that has not ended. Its runner learns of it when it next renews its leases.

        Raises:
            NotFound: there is none of this user's.
        """
        if not is_job_id(job_id):
            raise NotFound("job", job_id)
        async with self._database.writing() as connection:
            row = await locked(connection, and_(JOBS.c.id == job_id, JOBS.c.user_id == user_id))
            if row is None:
                raise NotFound("job", job_id)
            if row.status in (JobStatus.QUEUED, JobStatus.RUNNING):
                await move(connection, row, JobStatus.CANCELLED, ended_at_s=await self._clock(connection))
        # One that had ended may have a long transcript, for which nobody is to wait who writes.
        return await self.find(user_id, job_id)

    async def _check_room(self, connection: AsyncConnection, user_id: str) -> None:
        queued = select(func.count()).where(JOBS.c.user_id == user_id, JOBS.c.status == JobStatus.QUEUED.value)
        if (await connection.execute(queued)).scalar_one() >= self._max_queued_per_user:
            raise Overloaded(f"{self._max_queued_per_user} jobs are waiting already", _RETRY_AFTER_S)


async def _with_deliveries(connection: AsyncConnection, jobs: Sequence[Job]) -> tuple[Job, ...]:
    found = await deliveries_of(connection, [job.id for job in jobs])
    return tuple(replace(job, deliveries=found.get(job.id, ())) for job in jobs)
