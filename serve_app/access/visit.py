"""Who a request is from, and what it was admitted with."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from serve_app.access.plans import Plan


@dataclass(frozen=True, slots=True)
class Caller:
    """A user (workspace), and the key that the request came with; None where the service is open."""

    user_id: str
    user_name: str
    plan_name: str
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class RateState:
    """What is left of a user's requests per minute, for the headers; ``reset_s`` counts from now."""

    limit: int
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class Visit:
    """One admitted request: it holds one of its user's concurrent requests while it lasts."""

    caller: Caller
    plan: Plan
    dialect: str
    rate: RateState | None = None


class Access(Protocol):
    """The door, as the dialects see it."""

    def admitted(self, credential: str | None, dialect: str) -> AbstractAsyncContextManager[Visit]:
        """Hold one of the user's concurrent requests while the context is open.

        Raises:
            Unauthenticated, QuotaExceeded, InsufficientCredits, ConcurrencyLimitReached, RateLimitReached: on entry.
            ServiceUnavailable: on entry, when it cannot be found out in time; inside, when the lease was lost.
        """
        ...

    async def identified(self, credential: str | None) -> Caller:
        """Who asks: for calls that cost nothing.

        Raises:
            Unauthenticated: a key is needed, or this one is not good.
        """
        ...
