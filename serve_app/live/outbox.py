"""What a session has said and nobody has read yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from serve_app.live.contracts import LiveEvent, Partial, SessionEnded


class Outbox:
    """Events in order. Of partial texts only the newest waits, so that a client that reads slowly costs no memory."""

    def __init__(self) -> None:
        self._waiting: deque[LiveEvent] = deque()
        self._error: Exception | None = None
        self._changed = asyncio.Event()

    def say(self, event: LiveEvent) -> None:
        """Add an event."""
        if isinstance(event, Partial) and self._waiting and isinstance(self._waiting[-1], Partial):
            self._waiting.pop()
        self._waiting.append(event)
        self._changed.set()

    def fail(self, error: Exception) -> None:
        """End with an error, behind what has been said."""
        self._error = error
        self._changed.set()

    async def read(self) -> AsyncGenerator[LiveEvent]:
        """The events, until SessionEnded.

        Raises:
            Exception: what fail() was given.
        """
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                yield event
                if isinstance(event, SessionEnded):
                    return
            if self._error is not None:
                raise self._error
            self._changed.clear()
            await self._changed.wait()
