"""Knowing that this replica is about to go, in time to tell its live clients."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Callable

_LOOK_INTERVAL_S = 0.5


@contextlib.asynccontextmanager
async def draining_event(is_draining: Callable[[], bool]) -> AsyncIterator[asyncio.Event]:
    """An event that is set once is_draining says so. Serve calls nobody back before it waits for requests to end.

    The context's end stops the looking.
    """
    event = asyncio.Event()

    async def look() -> None:
        while not is_draining():  # noqa: ASYNC110 - nobody would set an event
            await asyncio.sleep(_LOOK_INTERVAL_S)
        event.set()

    # A context of its own: nothing of the call that started it is to be cancelled with it.
    looking = asyncio.create_task(look(), context=contextvars.Context())
    try:
        yield event
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
