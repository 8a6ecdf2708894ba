"""Bring a Serve config up and take it down again: on a Ray of our own, or on the cluster that RAY_ADDRESS names."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from serve_app.local_ray import local_ray

if TYPE_CHECKING:
    from ray.serve.schema import ServeDeploySchema, ServeStatus

# Status is one small call to the controller, which is busy starting replicas; a person sees no difference.
POLL_INTERVAL_S = 0.25
SERVE_NAMESPACE = "serve"


class Phase(StrEnum):
    """What is being waited for."""

    STARTING_RAY = "starting Ray"
    STARTING_SERVE = "starting Serve"
    STARTING_DEPLOYMENTS = "starting deployments"


class DeploymentState(StrEnum):
    """How far one deployment is."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DeploymentProgress:
    """One deployment; ``wanted`` is 0 until Serve has decided how many replicas there are to be."""

    name: str
    state: DeploymentState
    running: int
    wanted: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at the start-up."""

    phase: Phase
    deployments: tuple[DeploymentProgress, ...] = ()


class LaunchError(Exception):
    """The service did not start; the message is for the person who started it."""


class LaunchStopped(Exception):
    """Somebody asked to stop before the service was ready."""


def check_port_free(host: str, port: int) -> None:
    """Find out now what the HTTP proxy would find out after half a minute.

    Raises:
        LaunchError: somebody listens there, or this machine cannot listen there.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise LaunchError(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.") from error


def base_url(host: str, port: int) -> str:
    """Where a client on this machine finds a server that listens on host."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            host = "127.0.0.1"
        elif address.version == 6:
            host = f"[{host}]"
    return f"http://{host}:{port}"


@contextlib.contextmanager
def launched(
    config: ServeDeploySchema,
    *,
    report: Callable[[Progress], None],
    wait: Callable[[float], bool],
    after_ray_init: Callable[[], None],
    verbose: bool = False,
) -> Iterator[Callable[[], bool]]:
    """Run the config's applications while the context is open; it is entered when all are ready.

    Serve replaces what dies of its own; the value of the context tells whether Ray itself still runs.

    Args:
        config: what to run.
        report: called with every look at the start-up.
        wait: sleeps up to so many seconds, and says whether somebody asked to stop.
        after_ray_init: called when Ray is up, which takes signals for itself.
        verbose: let Ray and the replicas log to this process's stderr.

    Raises:
        LaunchError: Ray, Serve or a deployment does not start.
        LaunchStopped: ``wait`` said so.
    """
    report(Progress(Phase.STARTING_RAY))
    address = os.environ.get("RAY_ADDRESS")
    with _ray(address, verbose=verbose) as is_alive:
        after_ray_init()
        _stop_if(wait)
        report(Progress(Phase.STARTING_SERVE))
        logging.getLogger("ray.serve").setLevel(logging.INFO if verbose else logging.ERROR)
        with _serve(config, outlives_us=address is not None) as client:
            _stop_if(wait)
            client.deploy_apps(config)
            _wait_until_ready(config, report, wait)
            client.wait_for_proxies_serving(wait_for_applications_running=True)
            yield is_alive


@contextlib.contextmanager
def _ray(address: str | None, *, verbose: bool) -> Iterator[Callable[[], bool]]:
    from ray.exceptions import RayError
    from ray.serve.exceptions import RayServeException

    try:
        with contextlib.ExitStack() as stack:
            if address is None:
                is_alive = stack.enter_context(local_ray(verbose=verbose))
            else:
                import ray

                stack.callback(ray.shutdown)
                level = logging.INFO if verbose else logging.ERROR
                ray.init(address=address, namespace=SERVE_NAMESPACE, log_to_driver=verbose, logging_level=level)
                # Ray ends this process itself when it loses the cluster.
                is_alive = ray.is_initialized
            yield is_alive
    except (RayError, RayServeException, RuntimeError, OSError, ValueError) as error:
        raise LaunchError(f"Ray failed: {error}") from error


@contextlib.contextmanager
def _serve(config: ServeDeploySchema, *, outlives_us: bool) -> Iterator[Any]:
    """Serve with the file's options, the way ``serve run`` starts it; its applications are gone afterwards.

    Serve itself goes with our own Ray. On a cluster that outlives us it goes as well, unless it ran there before.
    """
    from ray import serve
    from ray.serve._private.api import serve_start
    from ray.serve.config import gRPCOptions
    from ray.serve.context import _get_global_client

    was_running = _get_global_client(raise_if_no_controller_running=False) is not None
    client = serve_start(
        http_options=config.http_options.model_dump(),
        grpc_options=gRPCOptions(**config.grpc_options.model_dump()),
        controller_options=config.controller_options,
        proxy_location=config.proxy_location,
    )
    try:
        yield client
    finally:
        for application in config.applications:
            serve.delete(application.name)
        if outlives_us and not was_running:
            serve.shutdown()


def _wait_until_ready(
    config: ServeDeploySchema, report: Callable[[Progress], None], wait: Callable[[float], bool]
) -> None:
    from ray import serve

    names = [application.name for application in config.applications]
    while True:
        status = serve.status()
        report(Progress(Phase.STARTING_DEPLOYMENTS, deployments_in(status, names)))
        raise_if_failed(status, names)
        if is_ready(status, names):
            return
        _stop_if(wait, POLL_INTERVAL_S)


def deployments_in(status: ServeStatus, applications: list[str]) -> tuple[DeploymentProgress, ...]:
    """The deployments of these applications, in the order in which Serve knows them."""
    progress = []
    for application in applications:
        if application not in status.applications:
            continue
        for name, deployment in status.applications[application].deployments.items():
            shown = f"{application}/{name}" if len(applications) > 1 else name
            # Serve mixes its str enums with plain strings here; both compare equal to the literal.
            states = deployment.replica_states
            progress.append(
                DeploymentProgress(
                    name=shown,
                    state=_deployment_state(deployment.status),
                    running=sum(count for state, count in states.items() if state == "RUNNING"),
                    wanted=sum(count for state, count in states.items() if state != "STOPPING"),
                    message=deployment.message,
                )
            )
    return tuple(progress)


def _deployment_state(status: str) -> DeploymentState:
    match status:
        case "HEALTHY":
            return DeploymentState.READY
        case "DEPLOY_FAILED" | "UNHEALTHY":
            return DeploymentState.FAILED
        case _:
            return DeploymentState.STARTING


def is_ready(status: ServeStatus, applications: list[str]) -> bool:
    """Whether all of the applications run."""
    return all(name in status.applications and status.applications[name].status == "RUNNING" for name in applications)


def raise_if_failed(status: ServeStatus, applications: list[str]) -> None:
    """Raise what Serve says about an application that will not come up.

    Raises:
        LaunchError: with the messages of its failed deployments, or of the application itself.
    """
    for name in applications:
        application = status.applications.get(name)
        if application is None or application.status not in ("DEPLOY_FAILED", "UNHEALTHY"):
            continue
        failed = [
            f"{deployment_name}: {deployment.message}"
            for deployment_name, deployment in application.deployments.items()
            if _deployment_state(deployment.status) is DeploymentState.FAILED
        ]
        raise LaunchError("\n".join([f"The application {name} did not start.", *(failed or [application.message])]))


def _stop_if(wait: Callable[[float], bool], timeout_s: float = 0.0) -> None:
    if wait(timeout_s):
        raise LaunchStopped
