"""Where callers put their key."""

from __future__ import annotations

from starlette.requests import HTTPConnection

_SCHEMES = frozenset({"token", "bearer"})
# A browser cannot set a header on a socket. For requests this is no place: URLs end up in the logs of proxies.
_SOCKET_PARAMETERS = ("token", "apiKey")
# How OpenAI's clients do it in a browser: the key is one of the subprotocols that the client offers.
_SOCKET_PROTOCOL = "openai-insecure-api-key."


def credential_of(connection: HTTPConnection) -> str | None:
    """The key in ``Authorization: Token …`` or ``Bearer …``, whatever the case of the scheme; None without one.

    For a socket also ``?token=``, ``?apiKey=``, and the subprotocol ``openai-insecure-api-key.<key>``.
    """
    scheme, _, key = connection.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() in _SCHEMES and key.strip():
        return key.strip()
    return _socket_credential_of(connection) if connection.scope["type"] == "websocket" else None


def _socket_credential_of(connection: HTTPConnection) -> str | None:
    parameters = (connection.query_params.get(name) for name in _SOCKET_PARAMETERS)
    offered: list[str] = connection.scope.get("subprotocols", [])
    protocols = (name.removeprefix(_SOCKET_PROTOCOL) for name in offered if name.startswith(_SOCKET_PROTOCOL))
    return next((key for key in (*parameters, *protocols) if key), None)
