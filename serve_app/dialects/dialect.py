"""What a wire API is made of: routes, and the form of its webhooks where it has any."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import HTTPConnection

from serve_app.access.credentials import credential_of
from serve_app.access.visit import Visit
from serve_app.dialects.door_count import DoorCount
from serve_app.dialects.errors import ErrorForm
from serve_app.jobs.contracts import CallbackForm
from serve_app.request_log import this_request
from serve_app.services import Services


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire API; ``name`` is what leases, the ledger and jobs know it by.

    Under its ``paths`` what is not offered is told in its ``error_form``.
    """

    name: str
    router: APIRouter
    callbacks: CallbackForm | None = None
    error_form: ErrorForm | None = None
    paths: tuple[str, ...] = ()


@contextlib.asynccontextmanager
async def visiting(
    connection: HTTPConnection, services: Services, dialect: str, *, takes_secrets: bool = False
) -> AsyncIterator[Visit]:
    """Admit a request before its body is read, or a socket; it holds its lease while the context is open.

    With takes_secrets a client secret will do for a key.

    The context must end before the answer is sent: a client that sends its next request on the answer would
    find its own last one in the way.

    Raises:
        Overloaded: this process holds as many requests, or sockets, as it may.
        AccessDenied, TooManyRequests, ServiceUnavailable: see Access.admitted.
    """
    admission = services.sockets if connection.scope["type"] == "websocket" else services.admission
    notes = this_request()
    notes.dialect = dialect
    count = DoorCount(services.signals, dialect)
    with count.at_the_door(), admission.admitted(), services.upload_bytes.open_account(count.refuse):
        async with services.access.admitted(credential_of(connection), dialect, takes_secrets=takes_secrets) as visit:
            count.let_in()
            connection.state.visit = visit
            notes.key = visit.caller.key_id
            yield visit
