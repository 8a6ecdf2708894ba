"""Keeps other people's web pages out of a service that asks for no keys.

Any page can make a browser send a request to 127.0.0.1, and with a name of its own that resolves there (DNS rebinding)
even read the answer. The first kind says where it comes from in ``Origin``, the second kind in ``Host``.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serve_app.loopback import is_loopback

_REASON = (
    "This service asks for no keys and so answers this machine only. Behind a proxy, set access.require_keys and make "
    "keys with `rayscribe keys create`."
)


class LocalOnly:
    """ASGI middleware: 403 for a Host or an Origin that is not this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the module."""
        if scope["type"] in ("http", "websocket") and not _is_local(Headers(scope=scope)):
            # A handshake is refused by an answer to it as well.
            refusal = JSONResponse({"error": _REASON, "code": "NOT_LOCAL"}, status_code=403)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_local(headers: Headers) -> bool:
    origin = headers.get("origin")
    return _names_this_machine(f"//{headers.get('host', '')}") and (origin is None or _names_this_machine(origin))


def _names_this_machine(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    # 0.0.0.0 as a destination is this machine too.
    return is_loopback(host) or host in ("0.0.0.0", "::")  # noqa: S104  # nothing is bound here
