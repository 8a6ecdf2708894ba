"""Deletes what has been kept long enough, and audio that belongs to no job."""

from __future__ import annotations

from sqlalchemy import delete, select, update

from serve_app.jobs.audio import AudioStore
from serve_app.jobs.clock import DatabaseClock, database_time_s
from serve_app.jobs.contracts import DeliveryState
from serve_app.jobs.tables import DELIVERIES, DELIVERY_ATTEMPTS, JOBS
from serve_app.settings import JobSettings
from serve_app.storage.database import Database

ORPHAN_AGE_S = 3600.0
"""Audio is stored before its job; longer than that takes no request."""

_AT_ONCE = 200


class Sweeper:
    """Several may sweep at once. All methods raise ServiceUnavailable when the storage does not answer."""

    def __init__(
        self,
        database: Database,
        audio: AudioStore,
        settings: JobSettings,
        clock: DatabaseClock = database_time_s,
    ) -> None:
        self._database = database
        self._audio = audio
        self._settings = settings
        self._clock = clock

    async def sweep(self) -> None:
        """Audio of jobs that ended audio_retention_s ago, then jobs that ended result_retention_s ago."""
        while await self._sweep_audio() == _AT_ONCE:
            pass
        while await self._sweep_jobs() == _AT_ONCE:
            pass

    async def sweep_orphans(self) -> None:
        """Audio whose job was never stored: its request, or the process, ended in between."""
        names = await self._audio.older_than(ORPHAN_AGE_S)
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            async with self._database.reading() as connection:
                known = select(JOBS.c.id).where(JOBS.c.id.in_(some), JOBS.c.audio_stored)
                owned = set((await connection.execute(known)).scalars())
            for name in some:
                if name not in owned:
                    await self._audio.delete(name)

    async def _sweep_audio(self) -> int:
        retention_s = min(self._settings.audio_retention_s, self._settings.result_retention_s)
        async with self._database.reading() as connection:
            ended_by_s = await self._clock(connection) - retention_s
            expired = select(JOBS.c.id).where(JOBS.c.ended_at_s <= ended_by_s, JOBS.c.audio_stored).limit(_AT_ONCE)
            job_ids = list((await connection.execute(expired)).scalars())
        for job_id in job_ids:
            await self._audio.delete(job_id)
        if job_ids:
            async with self._database.writing() as connection:
                await connection.execute(update(JOBS).where(JOBS.c.id.in_(job_ids)).values(audio_stored=False))
        return len(job_ids)

    async def _sweep_jobs(self) -> int:
        """With their deliveries; a job stays while its webhook may still be reached."""
        pending = select(DELIVERIES.c.id).where(
            DELIVERIES.c.job_id == JOBS.c.id, DELIVERIES.c.state == DeliveryState.PENDING.value
        )
        expired = select(JOBS.c.id).where(~JOBS.c.audio_stored, ~pending.exists()).limit(_AT_ONCE)
        async with self._database.reading() as connection:
            ended_by_s = await self._clock(connection) - self._settings.result_retention_s
            expired = expired.where(JOBS.c.ended_at_s <= ended_by_s)
            if (await connection.execute(expired)).first() is None:
                return 0
        async with self._database.writing() as connection:
            job_ids = list((await connection.execute(expired.with_for_update(skip_locked=True))).scalars())
            deliveries = select(DELIVERIES.c.id).where(DELIVERIES.c.job_id.in_(job_ids))
            await connection.execute(delete(DELIVERY_ATTEMPTS).where(DELIVERY_ATTEMPTS.c.delivery_id.in_(deliveries)))
            await connection.execute(delete(DELIVERIES).where(DELIVERIES.c.job_id.in_(job_ids)))
            await connection.execute(delete(JOBS).where(JOBS.c.id.in_(job_ids)))
        return len(job_ids)
