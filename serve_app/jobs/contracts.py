"""What a job is, as its dialect, its store and its runner see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from deployments.contracts import TraceContext, Transcript, TranscriptionRequest
from serve_app.access.visit import Caller, Visit


class JobStatus(StrEnum):
    """Queued and running jobs can be cancelled; the other three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


JOB_MOVES: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED}),
    JobStatus.RUNNING: frozenset(JobStatus) - {JobStatus.RUNNING},
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}
"""Every change of status that there is. A running job whose runner died, or gave it back, is queued again."""


class DeliveryState(StrEnum):
    """A pending delivery is tried again; the other two are final."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One request to a webhook. ``status`` and ``error`` are None while it is under way; then one of them is set."""

    number: int
    at_s: float
    duration_s: float | None = None
    status: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to a webhook; ``id`` is its webhook-id header."""

    id: str
    url: str = field(repr=False)
    method: str
    state: DeliveryState
    next_attempt_at_s: float | None
    attempts: tuple[DeliveryAttempt, ...] = ()


@dataclass(frozen=True, slots=True)
class Callback:
    """Where the result goes. ``extra`` is handed back as it came."""

    url: str = field(repr=False)
    method: str = "POST"
    extra: str | None = None


@dataclass(frozen=True, slots=True)
class JobOrder:
    """What a dialect asks for. ``presentation`` is its own: how to write the answer, as JSON.

    ``trace`` is that of the request, which the job goes on with.
    """

    dialect: str
    request: TranscriptionRequest
    presentation: str
    callback: Callback
    trace: TraceContext | None = None


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job ended without a transcript: the class of the error and a sentence fit for its owner."""

    error: str
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """One job. Times are seconds since the epoch; ``attempts`` counts how often a runner began with it.

    ``plan_name`` and ``key_id`` are those of the request that brought it: they say what it costs and whose it is.
    """

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
    plan_name: str = ""
    key_id: str | None = None
    deliveries: tuple[Delivery, ...] = ()


class CallbackForm(Protocol):
    """Writes what is sent to a webhook; each dialect with callbacks has one."""

    def completed(self, job: Job, transcript: Transcript) -> dict[str, Any]:
        """The body that carries a result."""
        ...

    def failed(self, job: Job, failure: JobFailure) -> dict[str, Any]:
        """The body that carries a failure."""
        ...


class JobDesk(Protocol):
    """Takes jobs and tells about them; every method knows its caller's jobs only.

    All methods raise ServiceUnavailable when the storage does not answer.
    """

    def check_callback(self, callback: Callback) -> None:
        """Whether it can be called, as far as that is seen at once: before audio is fetched for it.

        Raises:
            InvalidParameter: it cannot.
        """
        ...

    async def accept(self, visit: Visit, order: JobOrder, audio: npt.NDArray[np.uint8]) -> Job:
        """Store the job and its audio; when this returns, neither can be lost.

        Raises:
            InvalidParameter: the callback cannot be called; it names the parameter ``callback_url``.
            Overloaded: too many of this user's jobs wait.
        """
        ...

    async def find(self, caller: Caller, job_id: str) -> Job:
        """One job, with its transcript and its deliveries.

        Raises:
            NotFound: there is none of this caller's.
        """
        ...

    async def recent(self, caller: Caller, limit: int, before: str | None = None) -> tuple[Job, ...]:
        """Jobs, newest first, older than the one called ``before``; with deliveries, without transcripts."""
        ...

    async def cancel(self, caller: Caller, job_id: str) -> Job:
        """Cancel a job that has not ended; one that has is returned as it is. What is cancelled is not delivered.

        Raises:
            NotFound: there is none of this caller's.
        """
        ...
