"""Which stages can take work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ray import serve
from ray.serve.schema import ApplicationStatus, ReplicaState

_CACHE_S = 1.0
_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class StageHealth:
    """Running replicas by stage."""

    running: dict[str, int]

    @property
    def missing(self) -> tuple[str, ...]:
        """Stages without a running replica."""
        return tuple(name for name, replicas in self.running.items() if replicas == 0)


HealthProbe = Callable[[], Awaitable[StageHealth]]


class ServeHealth:
    """Asks the Serve controller, at most once a second."""

    def __init__(self, application: str) -> None:
        self._application = application
        self._asked_at_s = float("-inf")
        self._last = StageHealth({})
        self._lock = asyncio.Lock()

    async def __call__(self) -> StageHealth:
        """Replicas as the controller knows them.

        Raises:
            TimeoutError: the controller does not answer.
        """
        async with self._lock:
            if time.monotonic() - self._asked_at_s > _CACHE_S:
                async with asyncio.timeout(_TIMEOUT_S):
                    self._last = await asyncio.to_thread(self._ask)
                self._asked_at_s = time.monotonic()
        return self._last

    def _ask(self) -> StageHealth:
        application = serve.status().applications.get(self._application)
        if application is None or application.status in (ApplicationStatus.NOT_STARTED, ApplicationStatus.DELETING):
            return StageHealth({})
        return StageHealth(
            {
                name: deployment.replica_states.get(ReplicaState.RUNNING, 0)
                for name, deployment in application.deployments.items()
            }
        )
