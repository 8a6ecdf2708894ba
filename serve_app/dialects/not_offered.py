"""Paths and methods that the service does not have, told in the form of the API that the path belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from deployments.errors import NotOffered
from serve_app.dialects.dialect import Dialect
from serve_app.dialects.errors import ErrorForm

_UPGRADE = {"upgrade": "websocket", "connection": "upgrade"}


def tell_what_is_not_offered(app: FastAPI, dialects: Sequence[Dialect]) -> None:
    """Answer what Starlette finds no route for; what a route raises is answered by its own dialect."""

    @app.exception_handler(HTTPException)
    async def answer(request: Request, error: HTTPException) -> Response:
        status, reason, headers = error.status_code, str(error.detail), dict(error.headers or {})
        where = f"{request.method} {request.url.path}"
        if _is_socket(app, request):
            status, reason, headers = 426, f"{request.url.path} is a WebSocket: ask for an upgrade", _UPGRADE
        elif status == 405:
            reason = f"{where} is not offered; {headers.get('Allow', 'another method')} is"
        elif status == 404:
            reason = f"{where} is not offered"
        _, body = _form_of(request.url.path, dialects)(NotOffered(reason))
        return JSONResponse(body, status, headers)


def accept_slashes_at_the_end(app: FastAPI) -> None:
    """Route a path that is not found once more without its slash.

    Starlette would redirect, and behind a balancer that ends TLS it would redirect to plain http.
    """
    router = app.router
    not_found, router.redirect_slashes = router.default, False

    async def without_slash(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/")
        if path in ("", scope["path"]):
            await not_found(scope, receive, send)
        else:
            scope["path"] = path
            await router(scope, receive, send)

    router.default = without_slash


def _is_socket(app: FastAPI, request: Request) -> bool:
    scope = {**request.scope, "type": "websocket"}
    return any(route.matches(scope)[0] is Match.FULL for route in app.routes)


def _form_of(path: str, dialects: Sequence[Dialect]) -> ErrorForm:
    """Of the dialect with the longest beginning of the path; one has the root, and so all others."""
    found = [
        (len(prefix), dialect.error_form)
        for dialect in dialects
        for prefix in dialect.paths
        if dialect.error_form is not None and (path == prefix or path.startswith(prefix.rstrip("/") + "/"))
    ]
    return max(found, key=lambda each: each[0])[1]
