"""How an engine learns that nobody waits for it any more."""

from collections.abc import Callable

ShouldStop = Callable[[], bool]
"""Engines ask it between pieces of work, and raise errors.Cancelled soon after it turns true."""


def never() -> bool:
    """For work that nobody cancels."""
    return False
