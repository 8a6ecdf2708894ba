"""What the dialects are served with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

import numpy as np
import numpy.typing as npt
from starlette.requests import HTTPConnection

from deployments.signals import SILENT, Signals
from serve_app.access.usage import UsageReport
from serve_app.access.visit import Access
from serve_app.admission import Admission
from serve_app.byte_budget import ByteBudget
from serve_app.health import HealthProbe
from serve_app.jobs.contracts import CallbackForm, JobDesk
from serve_app.live.contracts import LiveService
from serve_app.settings import Settings
from serve_app.transcriptions import Transcriptions


class Fetcher(Protocol):
    """Gets the audio that a URL names."""

    async def fetch(self, url: str, max_bytes: int | None = None) -> npt.NDArray[np.uint8]:
        """See AudioFetcher.fetch."""
        ...


class UsageReader(Protocol):
    """The usage ledger, as the dialects see it."""

    async def usage(self, user_id: str | None, since: date, until: date) -> UsageReport:
        """See Ledger.usage."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """One per ingress process, shared by all routes."""

    settings: Settings
    transcriptions: Transcriptions
    health: HealthProbe
    admission: Admission
    upload_bytes: ByteBudget
    """Of recordings, uploaded or fetched, that are held for requests."""
    sockets: Admission
    """Counted apart: a session keeps no upload in memory, and lasts."""
    access: Access
    sources: Fetcher
    jobs: JobDesk
    usage: UsageReader
    callback_forms: Mapping[str, CallbackForm]
    live: LiveService
    is_open: bool = False
    """Whether requests without a key are those of one local user."""
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when this replica is about to go."""
    signals: Signals = SILENT
    started_s: float = field(default_factory=time.monotonic)


async def services_of(connection: HTTPConnection) -> Services:
    """FastAPI dependency: the services of the app that serves a request or a socket.

    FastAPI would run a plain function in a thread, for each request.
    """
    services: Services = connection.app.state.services
    return services
