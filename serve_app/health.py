"""Which stages can take work, and what is wrong with those that cannot."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from ray.exceptions import RayError
from ray.serve.context import _get_global_client
from ray.serve.schema import (
    ApplicationDetails,
    ApplicationStatus,
    DeploymentDetails,
    DeploymentStatusTrigger,
    ReplicaState,
    ServeInstanceDetails,
)

from deployments import service_log as log
from serve_app.access.limiter import Limiter

_CACHE_S = 1.0
_TIMEOUT_S = 3.0
# Raylets end ten minutes after their head (gcs_rpc_server_reconnect_timeout_s, as KubeRay sets it).
_BELIEVED_S = 600.0
# A replica that died has a successor in 10 to 20 s (docs/drills.md), for which requests wait.
_REPLACED_WITHIN_S = 30.0
# Only those wait for these who ask for what they do.
_SOME_REQUESTS = ("LanguageIdentifier", "Diarizer", "JobRunner")
_ANOTHER_RECOGNIZER = "Recognizer-"
# Replicas that calls go to: one on a node that empties has a successor to wait for, and one that a new controller has
# not heard of yet works on for those that know it.
_TAKES_WORK = (ReplicaState.RUNNING, ReplicaState.PENDING_MIGRATION, ReplicaState.RECOVERING)
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
    """All stages by name; none where Serve does not know the application. As of ``age_s`` ago.

    ``incomplete_s``: for how long a stage that all_requests_need() has been seen without a replica; infinite if they
    were never all there.
    """

    stages: Mapping[str, StageState]
    age_s: float = 0.0
    incomplete_s: float = 0.0

    @property
    def is_old(self) -> bool:
        """Whether the controller has not answered since."""
        return self.age_s > _CACHE_S + _TIMEOUT_S

    @property
    def missing(self) -> tuple[str, ...]:
        """Stages without a running replica."""
        return tuple(name for name, stage in self.stages.items() if stage.running == 0)

    @property
    def is_ready(self) -> bool:
        """Whether a balancer should send requests here.

        Every ingress waits for the same stages. One that goes with each replica that is replaced, or with the last that
        tells speakers apart, would take all ingresses from callers whom they could answer.
        """
        return bool(self.stages) and self.incomplete_s < _REPLACED_WITHIN_S


def all_requests_need(stage: str) -> bool:
    """Whether nobody is answered without it."""
    return stage not in _SOME_REQUESTS and not stage.startswith(_ANOTHER_RECOGNIZER)


HealthProbe = Callable[[], Awaitable[StageHealth]]


class ServeHealth:
    """What the Serve controller knows, asked at most once a second.

    While the controller is away, with the head's node, say, replicas work on without it: what it knew last is believed
    for as long as nodes live without their head. One question to it is out at a time, however many ask here.
    """

    def __init__(
        self,
        application: str,
        limiter_application: str | None = None,
        ask: Callable[[], Awaitable[ServeInstanceDetails]] | None = None,
    ) -> None:
        """Names of the service's application, and of the Limiter's where that has its own; ``ask`` asks Serve."""
        self._application = application
        self._limiter_application = limiter_application
        self._ask = ask or _asked_serve
        self._asked_at_s = float("-inf")
        self._known_at_s = float("-inf")
        self._incomplete_since_s: float | None = float("-inf")
        self._last = StageHealth({})
        self._asking: asyncio.Task[None] | None = None

    async def __call__(self) -> StageHealth:
        """Replicas as the controller knows them, or knew them.

        Raises:
            TimeoutError: the controller does not answer, and has not for minutes.
        """
        now_s = self._now_s()
        if now_s - self._known_at_s > _CACHE_S:
            if self._asking is None:
                self._asked_at_s = now_s
                # A context of its own: it is for all who ask, and Serve cancels what belongs to a request with it.
                self._asking = asyncio.create_task(self._renew(), context=contextvars.Context())
            # Who comes when it is overdue does not wait.
            await asyncio.wait([self._asking], timeout=max(0.0, self._asked_at_s + _TIMEOUT_S - now_s))
        age_s = self._now_s() - self._known_at_s
        if age_s > _BELIEVED_S:
            raise TimeoutError
        since_s = self._incomplete_since_s
        incomplete_s = 0.0 if since_s is None else self._known_at_s - since_s
        return replace(self._last, age_s=age_s, incomplete_s=incomplete_s)

    async def close(self) -> None:
        """Wait for no answer any longer."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def _renew(self) -> None:
        try:
            found = health_of(await self._ask(), self._application, self._limiter_application)
        except RayError as error:
            log.warning("serve controller does not answer", error=type(error).__name__)
        else:
            self._last, self._known_at_s = found, self._now_s()
            if found.stages and not any(map(all_requests_need, found.missing)):
                self._incomplete_since_s = None
            elif self._incomplete_since_s is None:
                self._incomplete_since_s = self._known_at_s
        finally:
            self._asking = None


async def _asked_serve() -> ServeInstanceDetails:
    """What serve.status() is made of: that alone does not say how many replicas there are to be.

    Not by serve.status(), which blocks a thread until the controller is back.
    """
    return ServeInstanceDetails.model_validate(
        await _get_global_client()._controller.get_serve_instance_details.remote()
    )


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
    running = sum(replica.state in _TAKES_WORK for replica in details.replicas)
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
