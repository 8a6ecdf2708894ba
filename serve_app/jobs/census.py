"""Counts the jobs and the webhooks that there are."""

from __future__ import annotations

from sqlalchemy import func, select

from deployments.signal_table import JOBS_IN, JOBS_OLDEST, WEBHOOKS_IN
from deployments.signals import Signals
from serve_app.jobs.clock import DatabaseClock, database_time_s
from serve_app.jobs.contracts import DeliveryState, JobStatus
from serve_app.jobs.tables import DELIVERIES, JOBS
from serve_app.storage.database import Database


class Census:
    """Reads two indices; every runner of a service counts the same."""

    def __init__(self, database: Database, signals: Signals, clock: DatabaseClock = database_time_s) -> None:
        self._database = database
        self._signals = signals
        self._clock = clock

    async def take(self) -> None:
        """Tell how many there are in each state, and for how long the oldest job has been queued.

        Raises:
            ServiceUnavailable: the database does not answer.
        """
        jobs = select(JOBS.c.status, func.count().label("number")).group_by(JOBS.c.status)
        webhooks = select(DELIVERIES.c.state, func.count().label("number")).group_by(DELIVERIES.c.state)
        oldest = select(func.min(JOBS.c.created_at_s)).where(JOBS.c.status == JobStatus.QUEUED.value)
        async with self._database.reading() as connection:
            by_status = {row.status: row.number for row in await connection.execute(jobs)}
            by_state = {row.state: row.number for row in await connection.execute(webhooks)}
            oldest_s = (await connection.execute(oldest)).scalar_one()
            now_s = await self._clock(connection)
        for status in JobStatus:
            self._signals.set(JOBS_IN, by_status.get(status.value, 0), state=status.value)
        for state in DeliveryState:
            self._signals.set(WEBHOOKS_IN, by_state.get(state.value, 0), state=state.value)
        self._signals.set(JOBS_OLDEST, 0.0 if oldest_s is None else max(0.0, now_s - oldest_s))
