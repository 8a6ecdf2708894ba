"""The health calls of Smallest self-host's documents and chart; every deployment of the service has them."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from deployments.errors import InvalidParameter
from serve_app import __version__
from serve_app.dialects.dialect import Dialect
from serve_app.dialects.errors import documented, route_class
from serve_app.dialects.smallest_selfhost_errors import error_body
from serve_app.health import StageState, StageTrouble
from serve_app.request_scope import CHART_HEALTH, HEALTH, READINESS
from serve_app.services import Services, services_of

_REASONS = {
    StageTrouble.STARTING: "Replicas are starting.",
    StageTrouble.NO_ROOM: "No machine has the processors, memory or GPU that a replica wants.",
    StageTrouble.FAILS_TO_START: "Replicas do not start. Their log says why.",
    StageTrouble.UNHEALTHY: "A replica died or failed its health check, and is replaced. Its log says why.",
}

router = APIRouter(tags=["Health"], route_class=route_class(error_body))


class StageAnswer(BaseModel):
    """One stage."""

    status: Literal["healthy", "degraded", "unhealthy"] = Field(
        description="`degraded` takes work, with fewer replicas than it is to have; `unhealthy` has none."
    )
    running: int = Field(description="Replicas that take work.", examples=[1])
    wanted: int = Field(description="Replicas that there are to be now; autoscaling changes it.", examples=[2])
    reason: str | None = Field(None, description="Why there are fewer.", examples=["Replicas are starting."])


class HealthAnswer(BaseModel):
    """Whether the service can take work. From `components` on, only with `detailed`."""

    status: Literal["healthy", "unhealthy"]
    reason: str | None = Field(None, description="Which stage is missing.", examples=["No ASR workers available"])
    age_seconds: float | None = Field(
        None,
        description="Only while Serve's controller does not answer: this is what it knew so long ago. "
        "Replicas work on without it.",
        examples=[12.5],
    )
    components: dict[str, Literal["healthy", "unhealthy"]] | None = Field(
        None,
        description="Each stage, in the vendor's form.",
        examples=[{"Ingress": "healthy", "Recognizer": "healthy"}],
    )
    stages: dict[str, StageAnswer] | None = Field(
        None,
        description="Each stage: a recogniser beside the first is `Recognizer-` and the name of its model.",
        examples=[
            {"Recognizer": {"status": "degraded", "running": 1, "wanted": 2, "reason": "Replicas are starting."}}
        ],
    )
    uptime_seconds: float | None = Field(None, description="Of the process that answers.", examples=[86400.0])
    version: str | None = Field(None, examples=["0.1.0"])
    profile: str | None = Field(None, examples=["embedded"])


_UNHEALTHY: dict[str, Any] = {
    "description": "Some stage has no replica",
    "model": HealthAnswer,
    "content": {"application/json": {"example": {"status": "unhealthy", "reason": "No ASR workers available"}}},
}


@router.get(
    HEALTH,
    summary="Can the service take work?",
    response_model=HealthAnswer,
    response_model_exclude_unset=True,
    responses={
        503: _UNHEALTHY,
        **documented(error_body, {"A parameter is wrong": InvalidParameter("detailed", "is neither true nor false")}),
    },
)
async def health(
    services: Annotated[Services, Depends(services_of)],
    detailed: Annotated[bool, Query(description="Tell of every stage.")] = False,
) -> JSONResponse:
    """200 while every stage has a running replica, 503 with the reason otherwise."""
    try:
        found = await services.health()
    except TimeoutError:
        return _answered(HealthAnswer(status="unhealthy", reason="The controller does not answer"))
    missing = found.missing
    answer = HealthAnswer(status="unhealthy" if missing or not found.stages else "healthy")
    if "Recognizer" in missing:
        answer.reason = "No ASR workers available"
    elif missing:
        answer.reason = f"No workers available for: {', '.join(missing)}"
    if found.is_old:
        answer.age_seconds = round(found.age_s, 1)
    if detailed:
        answer.components = {name: "healthy" if stage.running else "unhealthy" for name, stage in found.stages.items()}
        answer.stages = {name: _stage(stage) for name, stage in found.stages.items()}
        answer.uptime_seconds = round(time.monotonic() - services.started_s, 1)
        answer.version = __version__
        answer.profile = services.settings.profile
    return _answered(answer)


def _stage(stage: StageState) -> StageAnswer:
    if stage.trouble is None:
        return StageAnswer(status="healthy", running=stage.running, wanted=stage.wanted)
    return StageAnswer(
        status="degraded" if stage.running else "unhealthy",
        running=stage.running,
        wanted=stage.wanted,
        reason=_REASONS[stage.trouble],
    )


def _answered(answer: HealthAnswer) -> JSONResponse:
    return JSONResponse(answer.model_dump(exclude_unset=True), 200 if answer.status == "healthy" else 503)


@router.get(CHART_HEALTH, include_in_schema=False)
async def chart_health() -> JSONResponse:
    """What the vendor's chart probes: this process answers."""
    return JSONResponse({"status": "healthy"})


@router.get(
    READINESS,
    summary="Readiness",
    responses={
        503: {"description": "A stage that every request needs has had no replica for half a minute, or not yet"}
    },
)
async def healthz(services: Annotated[Services, Depends(services_of)]) -> JSONResponse:
    """``{"ready": true}``: requests should come here. They wait for a replica that is replaced."""
    try:
        ready = (await services.health()).is_ready
    except TimeoutError:
        ready = False
    return JSONResponse({"ready": ready}, status_code=200 if ready else 503)


# Monitors ask so; the answer is the same without its body.
for _path, _call in ((HEALTH, health), (READINESS, healthz), (CHART_HEALTH, chart_health)):
    router.add_api_route(_path, _call, methods=["HEAD"], include_in_schema=False)

DIALECT = Dialect("health", router)
