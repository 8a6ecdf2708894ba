"""Our own API: jobs, whichever API they came in through, and usage."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from deployments.errors import InvalidParameter, NotFound
from serve_app.access.credentials import credential_of
from serve_app.access.pricing import from_micros
from serve_app.access.usage import UsageTotal
from serve_app.access.visit import Caller
from serve_app.dialects.answers import written
from serve_app.dialects.dialect import Dialect
from serve_app.dialects.errors import EVERY_CALL, documented, route_class
from serve_app.dialects.smallest_selfhost_errors import error_body
from serve_app.jobs.contracts import Delivery, DeliveryAttempt, DeliveryState, Job, JobFailure, JobStatus
from serve_app.jobs.messages import ending_of
from serve_app.request_log import this_request
from serve_app.services import Services, services_of

NAME = "rayscribe"

router = APIRouter(tags=["Rayscribe"], route_class=route_class(error_body))


class AttemptAnswer(BaseModel):
    """One request to a webhook. Without `status` and `error` it is under way."""

    number: int = Field(examples=[1])
    at: datetime
    duration_s: float | None = Field(examples=[0.21])
    status: int | None = Field(description="HTTP status of the answer.", examples=[204])
    error: str | None = Field(description="Why there was no answer.", examples=[None])


class DeliveryAnswer(BaseModel):
    """A message to a webhook."""

    id: str = Field(description="The `webhook-id` header.", examples=["msg_0a1b2c3d4e5f60718293a4b5c6d7e8f9"])
    url: str = Field(description="Without user and password.", examples=["https://example.com/hook"])
    method: str = Field(examples=["POST"])
    state: DeliveryState
    next_attempt: datetime | None = Field(description="While it is pending.", examples=[None])
    attempts: list[AttemptAnswer]


class FailureAnswer(BaseModel):
    """Why a job came to nothing."""

    error: str = Field(examples=["UnsupportedAudio"])
    message: str = Field(examples=["Unsupported audio: no audio was found"])


class JobAnswer(BaseModel):
    """A job. Times are ISO 8601, UTC."""

    id: str = Field(examples=["job_018f3c2a9b4c5d6e7f8091a2b3c4d5e6"])
    request_id: str = Field(examples=["0a1b2c3d-4e5f-4607-8293-a4b5c6d7e8f9"])
    status: JobStatus
    dialect: str = Field(description="The API that it came in through.", examples=["smallest_selfhost"])
    created: datetime
    started: datetime | None
    ended: datetime | None
    attempts: int = Field(description="How often a runner began with it.", examples=[1])
    failure: FailureAnswer | None = Field(examples=[None])
    deliveries: list[DeliveryAnswer]


class JobWithResult(JobAnswer):
    """A job, and what its webhook is sent."""

    result: dict[str, Any] | None = Field(
        description="The body that its API sends, once it completed.",
        examples=[{"job_id": "job_018f3c2a9b4c5d6e7f8091a2b3c4d5e6", "status": "completed", "result": {"text": "Hi."}}],
    )


class JobsAnswer(BaseModel):
    """Some jobs, newest first."""

    jobs: list[JobAnswer]
    next: str | None = Field(
        description="Give it as `before` to get older ones; null when there are none.", examples=[None]
    )


class UsageTotalAnswer(BaseModel):
    """A sum over requests."""

    requests: int = Field(examples=[12])
    audio_s: float = Field(examples=[640.5])
    billable_s: float = Field(description="Counts against the plan's audio a day.", examples=[612.0])
    charged: str = Field(description="In the operator's currency, exactly.", examples=["0.612000"])


class UsageDayAnswer(UsageTotalAnswer):
    """One day."""

    day: date


class UsageDialectAnswer(UsageTotalAnswer):
    """One API."""

    dialect: str = Field(examples=["openai"])


class UsageAnswer(BaseModel):
    """What was used. Days are UTC; those without a request are left out."""

    since: date
    until: date
    total: UsageTotalAnswer
    days: list[UsageDayAnswer]
    dialects: list[UsageDialectAnswer]


_NO_JOB = {"No such job of yours": NotFound("job", "job_018f3c2a9b4c5d6e7f8091a2b3c4d5e6")}


async def caller_of(request: Request, services: Annotated[Services, Depends(services_of)]) -> Caller:
    """FastAPI dependency: who asks. These calls cost nothing, and hold none of the caller's requests."""
    notes = this_request()
    notes.dialect = NAME
    caller = await services.access.identified(credential_of(request))
    notes.key = caller.key_id
    return caller


_Caller = Annotated[Caller, Depends(caller_of)]
_Services = Annotated[Services, Depends(services_of)]


@router.get(
    "/v1/jobs",
    summary="List jobs",
    responses=documented(error_body, {"A parameter is wrong": InvalidParameter("limit", "is too large"), **EVERY_CALL}),
)
async def list_jobs(
    caller: _Caller,
    services: _Services,
    limit: Annotated[int, Query(ge=1, le=100, description="At most so many.")] = 20,
    before: Annotated[str | None, Query(description="Jobs older than the one of this id.")] = None,
) -> JobsAnswer:
    """Your jobs, newest first, without their results."""
    # One more than asked for tells whether there are others.
    jobs = await services.jobs.recent(caller, limit + 1, before)
    shown = jobs[:limit]
    return JobsAnswer(
        jobs=[JobAnswer(**_fields(job)) for job in shown], next=shown[-1].id if len(jobs) > limit else None
    )


@router.get(
    "/v1/jobs/{job_id}",
    summary="Show a job",
    response_model=JobWithResult,
    responses=documented(error_body, {**_NO_JOB, **EVERY_CALL}),
)
async def show_job(job_id: str, caller: _Caller, services: _Services) -> JSONResponse:
    """A job with its result, and each attempt to deliver it."""
    job = await services.jobs.find(caller, job_id)
    return await written(lambda: _with_result(job, services))


@router.delete(
    "/v1/jobs/{job_id}",
    summary="Cancel a job",
    response_model=JobWithResult,
    responses=documented(error_body, {**_NO_JOB, **EVERY_CALL}),
)
async def cancel_job(job_id: str, caller: _Caller, services: _Services) -> JSONResponse:
    """A job that has not ended is cancelled: it costs nothing, and nothing is sent. One that has ended stays."""
    job = await services.jobs.cancel(caller, job_id)
    return await written(lambda: _with_result(job, services))


@router.get(
    "/v1/usage",
    summary="Show usage",
    responses=documented(error_body, {"A parameter is wrong": InvalidParameter("days", "is too large"), **EVERY_CALL}),
)
async def show_usage(
    caller: _Caller,
    services: _Services,
    days: Annotated[int, Query(ge=1, le=366, description="UTC days, today among them.")] = 30,
) -> UsageAnswer:
    """How much you transcribed, and what it cost."""
    today = datetime.now(UTC).date()
    report = await services.usage.usage(caller.user_id, today - timedelta(days=days - 1), today)
    return UsageAnswer(
        since=report.since,
        until=report.until,
        total=UsageTotalAnswer(**_total_fields(report.total)),
        days=[UsageDayAnswer(day=day, **_total_fields(total)) for day, total in report.by_day.items()],
        dialects=[UsageDialectAnswer(dialect=name, **_total_fields(sum_)) for name, sum_ in report.by_dialect.items()],
    )


def _with_result(job: Job, services: Services) -> JobWithResult:
    result = ending_of(job, services.callback_forms) if job.transcript is not None else None
    return JobWithResult(**_fields(job), result=result)


def _fields(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "request_id": job.order.request.request_id,
        "status": job.status,
        "dialect": job.order.dialect,
        "created": _time(job.created_at_s),
        "started": _time(job.started_at_s),
        "ended": _time(job.ended_at_s),
        "attempts": job.attempts,
        "failure": _failure(job.failure),
        "deliveries": [_delivery(delivery) for delivery in job.deliveries],
    }


def _failure(failure: JobFailure | None) -> FailureAnswer | None:
    return None if failure is None else FailureAnswer(error=failure.error, message=failure.message)


def _delivery(delivery: Delivery) -> DeliveryAnswer:
    return DeliveryAnswer(
        id=delivery.id,
        url=_without_credentials(delivery.url),
        method=delivery.method,
        state=delivery.state,
        next_attempt=_time(delivery.next_attempt_at_s),
        attempts=[_attempt(attempt) for attempt in delivery.attempts],
    )


def _attempt(attempt: DeliveryAttempt) -> AttemptAnswer:
    at = datetime.fromtimestamp(attempt.at_s, UTC)
    duration_s = None if attempt.duration_s is None else round(attempt.duration_s, 3)
    return AttemptAnswer(
        number=attempt.number, at=at, duration_s=duration_s, status=attempt.status, error=attempt.error
    )


def _total_fields(total: UsageTotal) -> dict[str, Any]:
    return {
        "requests": total.requests,
        "audio_s": round(total.audio_s, 3),
        "billable_s": round(total.billed_s, 3),
        "charged": f"{from_micros(total.charged_micros):f}",
    }


def _time(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


DIALECT = Dialect(NAME, router)
