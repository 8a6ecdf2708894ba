"""Where an ingress hands jobs in, and asks for them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from deployments.errors import InvalidParameter, Overloaded, ServiceUnavailable, SourceForbidden
from deployments.tracing import current_trace
from serve_app.access.visit import Caller, Visit
from serve_app.jobs.audio import AudioStore
from serve_app.jobs.contracts import Callback, Job, JobOrder
from serve_app.jobs.rows import new_job_id
from serve_app.jobs.store import JobStore
from serve_app.outbound.guard import AddressGuard
from serve_app.outbound.urls import parse_http_url
from serve_app.request_log import this_request

MAX_URL_CHARACTERS = 4096
_METHODS = ("POST", "GET")
_PARAMETER = "callback_url"


class StoredJobs:
    """Implements JobDesk."""

    def __init__(
        self, store: JobStore, audio: AudioStore, guard: AddressGuard, clock: Callable[[], float] = time.time
    ) -> None:
        """``clock`` gives seconds since 1970, for ids that sort."""
        self._store = store
        self._audio = audio
        self._guard = guard
        self._clock = clock

    def check_callback(self, callback: Callback) -> None:
        """See JobDesk."""
        check_callback(callback, self._guard)

    async def accept(self, visit: Visit, order: JobOrder, audio: npt.NDArray[np.uint8]) -> Job:
        """See JobDesk. The audio comes first: a job never names audio that is not there."""
        check_callback(order.callback, self._guard)
        await self._store.check_room(visit.caller.user_id)
        job_id = this_request().job = new_job_id(self._clock())
        await self._audio.put(job_id, audio)
        try:
            return await self._store.accept(job_id, visit, replace(order, trace=current_trace()))
        except Overloaded:
            # After any other failure the job may be stored all the same. What is not needed is swept later.
            with contextlib.suppress(ServiceUnavailable):
                await self._audio.delete(job_id)
            raise

    async def find(self, caller: Caller, job_id: str) -> Job:
        """See JobDesk."""
        return await self._store.find(caller.user_id, job_id)

    async def recent(self, caller: Caller, limit: int, before: str | None = None) -> tuple[Job, ...]:
        """See JobDesk."""
        return await self._store.recent(caller.user_id, limit, before)

    async def cancel(self, caller: Caller, job_id: str) -> Job:
        """See JobDesk."""
        return await self._store.cancel(caller.user_id, job_id)


def check_callback(callback: Callback, guard: AddressGuard) -> None:
    """Whether a webhook can be called, as far as that is seen without looking its name up.

    Names are not resolved: that may take long, and what they resolve to now says nothing about later. Every connection
    is checked when it is made; one that is not allowed is on record as an attempt that failed.

    Raises:
        InvalidParameter: it cannot.
    """
    if callback.method not in _METHODS:
        raise InvalidParameter(_PARAMETER, "can be called by POST or GET only")
    if len(callback.url) > MAX_URL_CHARACTERS or not callback.url.isprintable():
        raise InvalidParameter(_PARAMETER, "not a valid URL")
    try:
        host = parse_http_url(callback.url, _PARAMETER).host
    except SourceForbidden:
        raise InvalidParameter(_PARAMETER, "must be an http or https URL") from None
    if _is_literal(host) and not guard.trusts(host) and not guard.allows(_address_of(host)):
        raise InvalidParameter(_PARAMETER, f"{host} is not on the public internet")


def _is_literal(host: str) -> bool:
    return _is_localhost(host) or ":" in host or host.rpartition(".")[2].isdigit()


def _is_localhost(host: str) -> bool:
    """These names are loopback addresses, wherever they are asked for (RFC 6761, section 6.3)."""
    return host == "localhost" or host.endswith(".localhost")


def _address_of(host: str) -> str:
    return "127.0.0.1" if _is_localhost(host) else host
