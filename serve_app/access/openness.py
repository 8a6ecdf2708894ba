"""Whether the service asks for keys: it does, unless only this machine can reach it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from deployments.errors import EngineUnavailable
from serve_app.loopback import is_loopback
from serve_app.settings import AccessSettings


def is_open(settings: AccessSettings, host: str) -> bool:
    """Whether requests without a key are those of one local user."""
    return is_loopback(host) and not settings.require_keys


async def check_somebody_may_enter(
    settings: AccessSettings, host: str, has_active_keys: Callable[[], Awaitable[bool]]
) -> None:
    """Refuse to start a service that others can reach and nobody may use.

    Raises:
        EngineUnavailable: keys are needed and there is none.
    """
    if is_open(settings, host) or await has_active_keys():
        return
    why = "require_keys is set" if is_loopback(host) else f"other machines can reach {host}"
    raise EngineUnavailable(
        f"API keys are needed, since {why}, and there is none. Make one with `rayscribe keys create NAME`"
        + ("." if is_loopback(host) else ", or listen on 127.0.0.1.")
    )
