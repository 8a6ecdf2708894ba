"""Who a request is from, and what it was admitted with."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
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
class ClientSecret:
    """A secret just made, which cannot be had again. ``expires_at_s`` counts from 1970."""

    value: str = field(repr=False)
    expires_at_s: float


@dataclass(frozen=True, slots=True)
class Visit:
    """One admitted request: it holds one of its user's concurrent requests while it lasts.

    ``secret_session`` is what a client secret says that its sessions begin with; None for who comes with a key.
    """

    caller: Caller
    plan: Plan
    dialect: str
    rate: RateState | None = None
    secret_session: str | None = None


class Access(Protocol):
    """The door, as the dialects see it."""

    def admitted(
        self, credential: str | None, dialect: str, *, takes_secrets: bool = False
    ) -> AbstractAsyncContextManager[Visit]:
        """Hold one of the user's concurrent requests while the context is open.

        A client secret is good only where the door takes_secrets.

        Raises:
            Unauthenticated, QuotaExceeded, InsufficientCredits, ConcurrencyLimitReached, RateLimitReached: on entry.
            ServiceUnavailable: on entry, when it cannot be found out in time; inside, when the lease was lost.
        """
        ...

    async def check_again(self, visit: Visit) -> None:
        """Whether work may still begin on a visit that began long ago. An expired client secret is no obstacle: it
        opens connections, and this one is open.

        Raises:
            Unauthenticated: the key of the visit has been revoked since, or has expired.
            QuotaExceeded, InsufficientCredits, ServiceUnavailable: as on entry.
        """
        ...

    async def identified(self, credential: str | None) -> Caller:
        """Who asks: for calls that cost nothing. A client secret is not good for them.

        Raises:
            Unauthenticated: a key is needed, or this one is not good.
        """
        ...

    async def make_secret(self, caller: Caller, session: str, lifetime_s: float) -> ClientSecret:
        """A credential that a caller can give away: it opens sessions on his account that begin as ``session`` says.

        It ends with its lifetime, or with the key that it was made with if that comes first.

        Raises:
            Unauthenticated: the key has just ended.
            ServiceUnavailable: it cannot be stored now.
        """
        ...
