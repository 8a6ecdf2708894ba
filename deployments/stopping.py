"""How an engine learns that nobody waits for it any more."""

from collections.abc import Callable

from deployments.errors import Cancelled

ShouldStop = Callable[[], bool]
"""Engines ask it between pieces of work, and raise errors.Cancelled soon after it turns true."""


def raise_if_stopped(should_stop: ShouldStop) -> None:
    """Return if the work may go on.

    Raises:
        Cancelled: it is to stop.
    """
    if should_stop():
        raise Cancelled("Nobody waits for it any more")


def never() -> bool:
    """For work that nobody cancels."""
    return False
