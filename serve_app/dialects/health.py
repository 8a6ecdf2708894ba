"""The health calls of Smallest self-host's documents and chart; every deployment of the service has them."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from deployments.errors import InvalidParameter
from serve_app import __version__
from serve_app.dialects.dialect import Dialect
from serve_app.dialects.errors import documented, route_class
from serve_app.dialects.smallest_selfhost_errors import error_body
from serve_app.services import Services, services_of

_UNHEALTHY: dict[str, Any] = {
    "description": "Some stage has no replica",
    "content": {"application/json": {"example": {"status": "unhealthy", "reason": "No ASR workers available"}}},
}

router = APIRouter(tags=["Health"], route_class=route_class(error_body))


@router.get(
    "/health",
    summary="Can the service take work?",
    responses={
        503: _UNHEALTHY,
        **documented(error_body, {"A parameter is wrong": InvalidParameter("detailed", "is neither true nor false")}),
    },
)
async def health(
    services: Annotated[Services, Depends(services_of)],
    detailed: Annotated[bool, Query(description="Name every stage.")] = False,
) -> JSONResponse:
    """200 while every stage has a running replica, 503 with the reason otherwise."""
    try:
        missing = (stages := await services.health()).missing
    except TimeoutError:
        return JSONResponse({"status": "unhealthy", "reason": "The controller does not answer"}, status_code=503)
    body: dict[str, Any] = {"status": "unhealthy" if missing or not stages.running else "healthy"}
    if "Recognizer" in missing:
        body["reason"] = "No ASR workers available"
    elif missing:
        body["reason"] = f"No workers available for: {', '.join(missing)}"
    if detailed:
        body["components"] = {name: "healthy" if replicas else "unhealthy" for name, replicas in stages.running.items()}
        body["uptime_seconds"] = round(time.monotonic() - services.started_s, 1)
        body["version"] = __version__
        body["profile"] = services.settings.profile
    return JSONResponse(body, status_code=200 if body["status"] == "healthy" else 503)


@router.get("/api/v1/health", include_in_schema=False)
async def chart_health() -> JSONResponse:
    """What the vendor's chart probes: this process answers."""
    return JSONResponse({"status": "healthy"})


@router.get("/healthz", summary="Readiness", responses={503: {"description": "Some stage has no replica"}})
async def healthz(services: Annotated[Services, Depends(services_of)]) -> JSONResponse:
    """``{"ready": true}`` once every stage has a running replica."""
    try:
        stages = await services.health()
        ready = bool(stages.running) and not stages.missing
    except TimeoutError:
        ready = False
    return JSONResponse({"ready": ready}, status_code=200 if ready else 503)


DIALECT = Dialect("health", router)
