"""A step that is taken again and again, as long as the service runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from deployments import service_log as log
from deployments.errors import ServiceUnavailable


class Loop:
    """Takes a step at least every interval_s, and soon after it is woken."""

    def __init__(self, name: str, step: Callable[[], Awaitable[object]], interval_s: float) -> None:
        """``name`` says in the log what did not work."""
        self._name = name
        self._step = step
        self._interval_s = interval_s
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Do not wait for the interval to pass."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled, or until the step raises what is not an outage: then something is wrong with us."""
        while True:
            self._woken.clear()
            try:
                await self._step()
            except ServiceUnavailable as error:
                log.warning("loop has to wait", loop=self._name, reason=str(error))
                await asyncio.sleep(self._interval_s)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._interval_s)
