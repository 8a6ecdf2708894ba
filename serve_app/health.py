"""Which stages can take work, and what is wrong with those that cannot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ray.serve.context import _get_global_client
from ray.serve.schema import (
    ApplicationDetails,
    ApplicationStatus,
    DeploymentDetails,
    DeploymentStatusTrigger,
    ReplicaState,
    ServeInstanceDetails,
)

from serve_app.access.limiter import Limiter

_CACHE_S = 1.0
_TIMEOUT_S = 3.0
# Serve's words, after half a minute, for replicas that no machine has room for.
_NO_ROOM = "to be scheduled"


class StageTrouble(StrEnum):
    """Why a stage has fewer replicas than it is to have. Serve's own message has paths in it, and what errors say."""

    STARTING = "starting"
    NO_ROOM = "no room"
    FAILS_TO_START = "fails to start"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class StageState:
    """Replicas that take work, how many there are to be, and why there are fewer; None where there are not."""

    running: int
    wanted: int
    trouble: StageTrouble | None = None


@dataclass(frozen=True, slots=True)
class StageHealth:
    """All stages by name; none where Serve does not know the application."""

    stages: Mapping[str, StageState]

    @property
    def missing(self) -> tuple[str, ...]:
        """Stages without a running replica."""
        return tuple(name for name, stage in self.stages.items() if stage.running == 0)


HealthProbe = Callable[[], Awaitable[StageHealth]]


class ServeHealth:
    """Asks the Serve controller, at most once a second."""

    def __init__(self, application: str, limiter_application: str | None = None) -> None:
        """Names of the service's application, and of the Limiter's where that has its own."""
        self._application = application
        self._limiter_application = limiter_application
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
        # What serve.status() is made of: alone it does not say how many replicas there are to be.
        details = ServeInstanceDetails.model_validate(_get_global_client().get_serve_details())
        return health_of(details, self._application, self._limiter_application)


def health_of(details: ServeInstanceDetails, application: str, limiter_application: str | None) -> StageHealth:
    """The stages of the service's application, and the Limiter, wherever it is."""
    service = _known(details, application)
    if service is None:
        return StageHealth({})
    stages = {name: stage_state(stage) for name, stage in service.deployments.items()}
    if limiter_application is not None:
        home = _known(details, limiter_application)
        limiter = home and home.deployments.get(Limiter.__name__)
        # Before it is deployed, too: callers with limits wait for it.
        stages[Limiter.__name__] = stage_state(limiter) if limiter else StageState(0, 1, StageTrouble.STARTING)
    return StageHealth(stages)


def _known(details: ServeInstanceDetails, name: str) -> ApplicationDetails | None:
    application = details.applications.get(name)
    if application is None or application.status in (ApplicationStatus.NOT_STARTED, ApplicationStatus.DELETING):
        return None
    return application


def stage_state(details: DeploymentDetails) -> StageState:
    """What Serve says of a deployment, in our words."""
    running = [replica.state for replica in details.replicas].count(ReplicaState.RUNNING)
    # One that is replaced, or moves to another node, goes on working meanwhile.
    wanted = max(details.target_num_replicas, running)
    if running >= details.target_num_replicas and running > 0:
        return StageState(running, wanted)
    return StageState(running, wanted, _trouble(details))


def _trouble(details: DeploymentDetails) -> StageTrouble:
    match details.status_trigger:
        case DeploymentStatusTrigger.REPLICA_STARTUP_FAILED:
            return StageTrouble.FAILS_TO_START
        case DeploymentStatusTrigger.HEALTH_CHECK_FAILED:
            return StageTrouble.UNHEALTHY
    if _NO_ROOM in details.message:
        return StageTrouble.NO_ROOM
    return StageTrouble.STARTING
