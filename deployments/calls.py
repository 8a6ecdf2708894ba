"""The one way to call a stage: with a deadline, cancelled explicitly, errors told apart, retried where that is safe.

``asyncio.wait_for(handle.remote(...))`` leaves the child running and its slot taken, so every hop goes through here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from ray.exceptions import ObjectLostError, RayActorError, RayTaskError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
    ReplicaUnavailableError,
)
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from deployments.errors import DeadlineExceeded, Overloaded, RayscribeError, StageLost
from deployments.tracing import mark, origin_argument

Result = TypeVar("Result")

_ATTEMPTS = 3
_REPLICA_GONE = (RayActorError, ObjectLostError, DeploymentUnavailableError, ReplicaUnavailableError)


class StageResponse(Protocol):
    """What a handle's ``remote()`` returns, as far as we use it."""

    def __await__(self) -> Any: ...

    async def _to_object_ref(self) -> Any:
        """The reference to the result, once a replica has the call (a developer API of Serve)."""

    def cancel(self) -> Any:
        """Stop the call, wherever it is."""


class StageMethod(Protocol):
    """A method of a deployment handle."""

    def remote(self, *args: Any, **named: Any) -> StageResponse:
        """Start a call."""


class Deadline:
    """A point in time that all calls of one request share."""

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end_s = clock() + timeout_s

    def remaining_s(self) -> float:
        """Seconds left.

        Raises:
            DeadlineExceeded: none are.
        """
        left_s = self._end_s - self._clock()
        if left_s <= 0:
            raise DeadlineExceeded("The request took too long")
        return left_s


async def wait_for(response: StageResponse, deadline: Deadline) -> Any:
    """The result of a started call.

    Raises:
        RayscribeError: what the stage raised.
        StageLost: the replica, or one that it depended on, died, or was stopped and cancelled the call.
        Overloaded: the stage's queue is full.
        DeadlineExceeded: no answer in time; the call is cancelled.
    """
    return await _within(deadline, response, lambda: response)


async def reference_to(response: StageResponse, deadline: Deadline) -> Any:
    """A reference to what a started call will return, as soon as a replica has the call: for the next stage.

    Serve would take the response itself as an argument, too, but what its router does then leaves a circle of objects,
    which holds the result in the object store until Python's garbage collector happens to run.

    Raises:
        RayscribeError: see wait_for; what the stage itself raises is told to whoever gets the reference.
    """
    return await _within(deadline, response, response._to_object_ref)


async def _within(deadline: Deadline, response: StageResponse, awaited: Callable[[], Awaitable[Any]]) -> Any:
    try:
        async with asyncio.timeout(deadline.remaining_s()):
            return await awaited()
    except TimeoutError as error:
        response.cancel()
        raise DeadlineExceeded("A stage did not answer in time") from error
    except asyncio.CancelledError:
        response.cancel()
        if _is_cancelled():
            raise
        # It was the call that was cancelled, where it ran; Serve tells that with the same exception.
        raise StageLost("A worker stopped while it had the request") from None
    except Exception as error:
        if isinstance(error, DeadlineExceeded):
            response.cancel()
        raise told_apart(error) from error.__cause__


def _is_cancelled() -> bool:
    """Whether it is the running task that is to stop."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def started(method: StageMethod, *args: Any) -> Any:
    """Start a call of a stage, whose work is part of the trace in hand."""
    return method.remote(*args, **origin_argument())


async def call(method: StageMethod, *args: Any, deadline: Deadline) -> Any:
    """Call a stage once; see wait_for for the errors."""
    return await wait_for(started(method, *args), deadline)


async def retried(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Run an attempt again when a replica died under it. Only for stages without side effects."""
    async for trial in AsyncRetrying(
        retry=retry_if_exception_type(StageLost),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=2.0),
        reraise=True,
    ):
        with trial:
            if trial.retry_state.attempt_number > 1:
                mark("retry", attempt=trial.retry_state.attempt_number)
            return await attempt()
    raise AssertionError("tenacity ends by returning or raising")


def told_apart(error: Exception) -> Exception:
    """Serve's and Ray's errors as ours; any other error as it is."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, RayscribeError):
        return cause
    if isinstance(cause, BackPressureError):
        return Overloaded("The service is at capacity")
    if isinstance(cause, _REPLICA_GONE) or _upstream_died(cause):
        return StageLost("A worker died while it had the request")
    return error


def _upstream_died(error: BaseException) -> bool:
    """Serve wraps the death of a replica whose result was an argument."""
    return isinstance(error, RayServeException) and isinstance(error.__cause__, _REPLICA_GONE)
