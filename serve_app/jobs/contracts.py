"""What a job is, as its dialect, its store and its runner see it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from deployments.contracts import Transcript, TranscriptionRequest
from serve_app.access.visit import Caller, Visit


class JobStatus(StrEnum):
    """Queued and running jobs can be cancelled; the other three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Callback:
    """Where the result goes. ``extra`` is handed back as it came."""

    url: str
    method: str = "POST"
    extra: str | None = None


@dataclass(frozen=True, slots=True)
class JobOrder:
    """What a dialect asks for. ``presentation`` is its own: how to write the answer, as JSON."""

    dialect: str
    request: TranscriptionRequest
    presentation: str
    callback: Callback


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job ended without a transcript: the class of the error and a sentence fit for its owner."""

    error: str
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """One job. Times are seconds since the epoch."""

    id: str
    user_id: str
    order: JobOrder
    status: JobStatus
    attempts: int
    created_at_s: float
    started_at_s: float | None = None
    ended_at_s: float | None = None
    transcript: Transcript | None = None
    failure: JobFailure | None = None


class JobDesk(Protocol):
    """Takes jobs and tells about them; every method knows its caller's jobs only."""

    async def accept(self, visit: Visit, order: JobOrder, audio: npt.NDArray[np.uint8]) -> Job:
        """Store the job and its audio; when this returns, neither can be lost.

        Raises:
            InvalidParameter: the callback cannot be called; it names the parameter ``callback``.
            Overloaded: too many of this user's jobs wait.
        """
        ...

    async def find(self, caller: Caller, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: there is none of this caller's.
        """
        ...

    async def recent(self, caller: Caller, limit: int, before: str | None = None) -> tuple[Job, ...]:
        """Jobs, newest first, older than the one called ``before``; without their transcripts."""
        ...

    async def cancel(self, caller: Caller, job_id: str) -> Job:
        """Cancel a job that has not ended; one that has is returned as it is.

        Raises:
            NotFound: there is none of this caller's.
        """
        ...
