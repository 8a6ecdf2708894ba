"""Jobs as rows: how values are written down, and the one way in which a job changes its status."""

from __future__ import annotations

import re
import secrets
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.contracts import Transcript
from serve_app.jobs.contracts import JOB_MOVES, Job, JobFailure, JobOrder, JobStatus
from serve_app.jobs.tables import JOBS

# As JSON also because PostgreSQL's text cannot hold the character NUL, and callers' strings can.
ORDER = TypeAdapter(JobOrder)
TRANSCRIPT = TypeAdapter(Transcript)
FAILURE = TypeAdapter(JobFailure)

WITHOUT_TRANSCRIPT = tuple(column for column in JOBS.c if column is not JOBS.c.transcript_json)
JOB_ID_PREFIX = "job_"

_JOB_ID = re.compile(JOB_ID_PREFIX + "[0-9a-f]{32}")


class IllegalMove(Exception):
    """A change of status that is not in JOB_MOVES: a mistake of ours."""


def new_job_id(now_s: float) -> str:
    """``job_`` and 32 hexadecimal digits, of which 12 are the time in milliseconds: jobs sort by it."""
    return f"{JOB_ID_PREFIX}{int(now_s * 1000):012x}{secrets.token_hex(10)}"


def is_job_id(text: str) -> bool:
    """Whether a job could be called this; what a caller sends may be anything, also what no database takes."""
    return _JOB_ID.fullmatch(text) is not None


def job_of(row: Row[Any]) -> Job:
    """The job of a row of JOBS; one that was read without its transcript has none."""
    transcript = row._mapping.get(JOBS.c.transcript_json)
    return Job(
        id=row.id,
        user_id=row.user_id,
        order=ORDER.validate_json(row.order_json),
        status=JobStatus(row.status),
        attempts=row.attempts,
        created_at_s=row.created_at_s,
        started_at_s=row.started_at_s,
        ended_at_s=row.ended_at_s,
        transcript=None if transcript is None else TRANSCRIPT.validate_json(transcript),
        failure=None if row.failure_json is None else FAILURE.validate_json(row.failure_json),
        plan_name=row.plan,
        key_id=row.key_id,
    )


async def locked(connection: AsyncConnection, condition: ColumnElement[bool]) -> Row[Any] | None:
    """The one row of JOBS, without its transcript; nobody else changes it until the transaction ends."""
    return (await connection.execute(select(*WITHOUT_TRANSCRIPT).where(condition).with_for_update())).one_or_none()


async def move(connection: AsyncConnection, row: Row[Any], status: JobStatus, **values: Any) -> Job:
    """Change a locked job's status, and with it whatever else changes; the job as it is then, without its transcript.

    Raises:
        IllegalMove: see JOB_MOVES.
    """
    if status not in JOB_MOVES[JobStatus(row.status)]:
        raise IllegalMove(f"a job that is {row.status} cannot become {status}")
    if status is not JobStatus.RUNNING:
        values |= {"lease_id": None, "lease_until_s": None}
    statement = update(JOBS).where(JOBS.c.id == row.id).values(status=status.value, **values)
    return job_of((await connection.execute(statement.returning(*WITHOUT_TRANSCRIPT))).one())
