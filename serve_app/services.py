"""What the dialects are served with."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from starlette.requests import Request

from deployments.contracts import Transcript, TranscriptionRequest
from serve_app.admission import Admission
from serve_app.health import HealthProbe
from serve_app.settings import Settings


class Transcriber(Protocol):
    """The pipeline, as the dialects see it."""

    async def transcribe(self, request: TranscriptionRequest, audio: npt.NDArray[np.uint8]) -> Transcript:
        """See Pipeline.transcribe."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """One per ingress process, shared by all routes."""

    settings: Settings
    pipeline: Transcriber
    health: HealthProbe
    admission: Admission
    started_s: float = field(default_factory=time.monotonic)


def services_of(request: Request) -> Services:
    """FastAPI dependency: the services of the app that serves a request."""
    services: Services = request.app.state.services
    return services
