"""Leases that can be lost while somebody is inside."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from deployments.errors import ServiceUnavailable
from serve_app.access.visit import Visit
from tests.fakes.edge import FakeAccess


@dataclass
class LosingAccess(FakeAccess):
    """Loses the lease of the last visitor by the means of the real one: a timeout in the task that entered.

    ``left`` is set when a visitor has gone.
    """

    left: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def admitted(
        self, credential: str | None, dialect: str, *, takes_secrets: bool = False
    ) -> AsyncIterator[Visit]:
        admitted = super().admitted(credential, dialect, takes_secrets=takes_secrets)
        try:
            async with admitted as visit, asyncio.timeout(None) as self.loss:
                yield visit
        except TimeoutError as error:
            raise ServiceUnavailable("The lease was lost") from error
        finally:
            self.left.set()

    def lose(self) -> None:
        """From the event loop of the visitor."""
        self.loss.reschedule(asyncio.get_running_loop().time())
