"""A real Limiter behind handles like Serve's, over a network that is slow, can be cut, and forgets no message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ray.exceptions import ActorDiedError

from deployments.signals import SILENT, Signals
from serve_app.access.limiter import Limiter, LimiterConfig
from tests.fakes.stages import FakeResponse


class LimiterLink:
    """The one Limiter of a service, which can die and be replaced.

    ``delay_s`` is asked for each way of a message; ``clock`` is the Limiter's, by default that of the event loop.
    """

    def __init__(
        self,
        ttl_s: float,
        delay_s: Callable[[], float] = lambda: 0.0,
        signals: Signals = SILENT,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.delay_s = delay_s
        self._ttl_s = ttl_s
        self._signals = signals
        self._clock = clock
        self._started = asyncio.Event()
        self._limiter: Limiter | None = None

    def start(self) -> None:
        """A new Limiter, which knows nothing."""
        clock = self._clock or asyncio.get_running_loop().time
        self._limiter = Limiter(LimiterConfig(self._ttl_s), clock, self._signals)
        self._started.set()

    def die(self) -> None:
        """Calls that are answered are lost on their way back, and later ones wait for the next Limiter, as in Serve."""
        self._limiter = None
        self._started.clear()

    @property
    def limiter(self) -> Limiter:
        """The living one."""
        assert self._limiter is not None
        return self._limiter

    async def carry(self, method: str, message: Any, handle: LimiterHandle) -> Any:
        """One message there and its answer back."""
        await asyncio.sleep(self.delay_s())
        await handle.connected.wait()
        await self._started.wait()
        limiter = self.limiter
        try:
            return await getattr(limiter, method)(message)
        finally:
            await asyncio.sleep(self.delay_s())
            await handle.connected.wait()
            if limiter is not self._limiter:
                raise ActorDiedError


class LimiterHandle:
    """What one ingress process has of the Limiter; ``sent`` lists the names of the methods that it called."""

    def __init__(self, link: LimiterLink) -> None:
        self.connected = asyncio.Event()
        self.connected.set()
        self.sent: list[str] = []
        self._link = link
        self._on_the_way: set[asyncio.Task[Any]] = set()

    @property
    def admit(self) -> _Method:
        return _Method(self, "admit")

    @property
    def report(self) -> _Method:
        return _Method(self, "report")

    def send(self, method: str, message: Any) -> FakeResponse:
        """Cancelling the response does not call the message back: it may have been taken in already."""
        self.sent.append(method)
        carried = asyncio.ensure_future(self._link.carry(method, message, self))
        self._on_the_way.add(carried)
        carried.add_done_callback(self._arrived)
        return FakeResponse(_answer(carried))

    def _arrived(self, carried: asyncio.Task[Any]) -> None:
        self._on_the_way.discard(carried)
        if not carried.cancelled():
            carried.exception()


class _Method:
    def __init__(self, handle: LimiterHandle, name: str) -> None:
        self._handle = handle
        self._name = name

    def remote(self, message: Any) -> FakeResponse:
        return self._handle.send(self._name, message)


async def _answer(carried: asyncio.Task[Any]) -> Any:
    return await asyncio.shield(carried)
