from __future__ import annotations

import socket

import pytest
from ray.serve.schema import (
    ApplicationStatus,
    ApplicationStatusOverview,
    DeploymentStatus,
    DeploymentStatusOverview,
    DeploymentStatusTrigger,
    ReplicaState,
    ServeStatus,
)

from serve_app.launcher import (
    DeploymentProgress,
    DeploymentState,
    LaunchError,
    base_url,
    check_port_free,
    deployments_in,
    is_ready,
    raise_if_failed,
)

pytestmark = pytest.mark.unit


def _deployment(status: DeploymentStatus, message: str = "", **replicas: int) -> DeploymentStatusOverview:
    return DeploymentStatusOverview(
        status=status,
        status_trigger=DeploymentStatusTrigger.CONFIG_UPDATE_STARTED,
        replica_states={ReplicaState(state): count for state, count in replicas.items()},
        message=message,
    )


def _status(
    application: ApplicationStatus, message: str = "", /, **deployments: DeploymentStatusOverview
) -> ServeStatus:
    return ServeStatus(applications={"app": ApplicationStatusOverview(application, message, 0.0, deployments)})


def test_progress_counts_the_replicas_that_run_of_those_that_are_to_stay() -> None:
    status = _status(
        ApplicationStatus.DEPLOYING,
        Decoder=_deployment(DeploymentStatus.UPDATING, STARTING=1, RUNNING=2, STOPPING=1),
        Refiner=_deployment(DeploymentStatus.HEALTHY, RUNNING=1),
        Later=_deployment(DeploymentStatus.UPDATING),
    )
    assert deployments_in(status, ["app"]) == (
        DeploymentProgress("Decoder", DeploymentState.STARTING, 2, 3),
        DeploymentProgress("Refiner", DeploymentState.READY, 1, 1),
        DeploymentProgress("Later", DeploymentState.STARTING, 0, 0),
    )


def test_other_applications_on_the_cluster_are_not_ours() -> None:
    status = _status(ApplicationStatus.DEPLOY_FAILED, "theirs", X=_deployment(DeploymentStatus.HEALTHY))
    assert deployments_in(status, ["ours"]) == ()
    raise_if_failed(status, ["ours"])
    assert not is_ready(status, ["ours"])


def test_ready_means_every_application_runs() -> None:
    running, deploying = _status(ApplicationStatus.RUNNING), _status(ApplicationStatus.DEPLOYING)
    assert is_ready(running, ["app"])
    assert not is_ready(deploying, ["app"])
    assert not is_ready(running, ["app", "other"])


def test_two_applications_are_told_apart_by_name() -> None:
    status = _status(ApplicationStatus.RUNNING, X=_deployment(DeploymentStatus.HEALTHY, RUNNING=1))
    assert [one.name for one in deployments_in(status, ["app", "other"])] == ["app/X"]


def test_a_deployment_that_failed_says_why() -> None:
    status = _status(
        ApplicationStatus.DEPLOY_FAILED,
        "see the deployments",
        Good=_deployment(DeploymentStatus.HEALTHY, "fine"),
        Bad=_deployment(DeploymentStatus.DEPLOY_FAILED, "EngineUnavailable: no weights here"),
    )
    assert [one.state for one in deployments_in(status, ["app"])] == [DeploymentState.READY, DeploymentState.FAILED]
    with pytest.raises(LaunchError) as caught:
        raise_if_failed(status, ["app"])
    assert str(caught.value) == "The application app did not start.\nBad: EngineUnavailable: no weights here"


def test_an_application_that_cannot_be_built_says_why() -> None:
    with pytest.raises(LaunchError, match="No module named 'nowhere'"):
        raise_if_failed(_status(ApplicationStatus.DEPLOY_FAILED, "No module named 'nowhere'"), ["app"])


def test_an_application_on_its_way_is_no_failure() -> None:
    raise_if_failed(_status(ApplicationStatus.DEPLOYING, X=_deployment(DeploymentStatus.UPDATING)), ["app"])


def test_a_port_in_use_is_found_and_a_free_one_passes() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LaunchError, match=rf"Cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
            check_port_free("127.0.0.1", port)
    check_port_free("127.0.0.1", port)


def test_a_host_that_is_not_this_machine_is_refused() -> None:
    with pytest.raises(LaunchError, match=r"203\.0\.113\.7:7100"):
        check_port_free("203.0.113.7", 7100)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:7100"),
        ("0.0.0.0", "http://127.0.0.1:7100"),
        ("::", "http://127.0.0.1:7100"),
        ("::1", "http://[::1]:7100"),
        ("localhost", "http://localhost:7100"),
    ],
)
def test_the_url_is_one_that_a_client_here_can_use(host: str, url: str) -> None:
    assert base_url(host, 7100) == url
