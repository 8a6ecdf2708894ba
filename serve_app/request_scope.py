"""What the log and the span of a request both go by: its route, and whether it is a probe."""

from __future__ import annotations

from starlette.types import Scope

HEALTH = "/health"
READINESS = "/healthz"
CHART_HEALTH = "/api/v1/health"
SOCKET_HEALTH = "/ws/health"
PROBES = frozenset({HEALTH, READINESS, CHART_HEALTH, SOCKET_HEALTH})
"""They come every few seconds, for ever."""

UPGRADED = 101
"""The status of a socket that was accepted."""


def is_probe(scope: Scope) -> bool:
    """By the path, which tells it before there is a route."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) in PROBES


def route_of(scope: Scope) -> str | None:
    """The pattern of its route, once the app has found one: the path itself may be anything."""
    return getattr(scope.get("route"), "path", None)
