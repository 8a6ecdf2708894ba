"""Where callers put their key."""

from __future__ import annotations

from starlette.requests import HTTPConnection

_SCHEMES = frozenset({"token", "bearer"})
# A browser cannot set a header on a socket. For requests this is no place: URLs end up in the logs of proxies.
_SOCKET_PARAMETERS = ("token", "apiKey")


def credential_of(connection: HTTPConnection) -> str | None:
    """The key in ``Authorization: Token …`` or ``Bearer …``, whatever the case of the scheme; None without one.

    For a socket also ``?token=`` and ``?apiKey=``.
    """
    scheme, _, key = connection.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() in _SCHEMES and key.strip():
        return key.strip()
    if connection.scope["type"] == "websocket":
        return next(
            (connection.query_params[name] for name in _SOCKET_PARAMETERS if connection.query_params.get(name)), None
        )
    return None
