from __future__ import annotations

import pytest
from ray.serve.schema import DeploymentDetails, ServeInstanceDetails

from serve_app.health import StageState, StageTrouble, health_of, stage_state
from tests.fakes.edge import Edge

pytestmark = pytest.mark.unit


async def test_health_follows_the_stages(edge: Edge) -> None:
    assert (await edge.client.get("/health")).json() == {"status": "healthy"}
    assert (await edge.client.get("/healthz")).json() == {"ready": True}
    edge.stages["Recognizer"] = StageState(0, 1, StageTrouble.STARTING)
    response = await edge.client.get("/health")
    assert response.status_code == 503
    assert response.json() == {"status": "unhealthy", "reason": "No ASR workers available"}
    assert (await edge.client.get("/healthz")).status_code == 503
    assert (await edge.client.get("/api/v1/health")).status_code == 200


async def test_a_controller_that_does_not_answer_is_no_health(edge: Edge) -> None:
    edge.stages.clear()
    response = await edge.client.get("/health")
    assert response.status_code == 503
    assert response.json()["reason"] == "The controller does not answer"
    ready = await edge.client.get("/healthz")
    assert (ready.status_code, ready.json()) == (503, {"ready": False})


async def test_detailed_health_names_the_stages(edge: Edge) -> None:
    body = (await edge.client.get("/health?detailed=true")).json()
    assert body["components"] == {"Ingress": "healthy", "Recognizer": "healthy"}
    assert body["version"]


async def test_detailed_health_tells_which_stage_is_not_ready(edge: Edge) -> None:
    edge.stages["Diarizer"] = StageState(0, 1, StageTrouble.FAILS_TO_START)
    response = await edge.client.get("/health?detailed=true")
    body = response.json()
    assert (response.status_code, body["status"]) == (503, "unhealthy")
    assert body["reason"] == "No workers available for: Diarizer"
    assert body["components"] == {"Ingress": "healthy", "Recognizer": "healthy", "Diarizer": "unhealthy"}
    assert body["stages"]["Ingress"] == {"status": "healthy", "running": 1, "wanted": 1}
    assert body["stages"]["Diarizer"] == {
        "status": "unhealthy",
        "running": 0,
        "wanted": 1,
        "reason": "Replicas do not start. Their log says why.",
    }


async def test_a_stage_with_fewer_replicas_than_it_is_to_have_takes_work(edge: Edge) -> None:
    edge.stages["Recognizer-whisper"] = StageState(1, 3, StageTrouble.NO_ROOM)
    response = await edge.client.get("/health?detailed=true")
    stage = response.json()["stages"]["Recognizer-whisper"]
    assert (response.status_code, stage["status"], stage["running"], stage["wanted"]) == (200, "degraded", 1, 3)
    assert "GPU" in stage["reason"]


def details(trigger: str, wanted: int, *states: str, message: str = "") -> DeploymentDetails:
    """What Serve's controller says."""
    replicas = [{"replica_id": str(n), "state": state, "start_time_s": 0.0} for n, state in enumerate(states)]
    return DeploymentDetails.model_validate(
        {
            "name": "Decoder",
            "status": "UPDATING",
            "status_trigger": trigger,
            "message": message,
            "deployment_config": {"name": "Decoder"},
            "target_num_replicas": wanted,
            "required_resources": {},
            "replicas": replicas,
        }
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (details("CONFIG_UPDATE_COMPLETED", 1, "RUNNING"), StageState(1, 1)),
        (details("CONFIG_UPDATE_STARTED", 1, "STARTING"), StageState(0, 1, StageTrouble.STARTING)),
        (details("AUTOSCALING", 2, "RUNNING", "STARTING"), StageState(1, 2, StageTrouble.STARTING)),
        (details("AUTOSCALING", 1, "RUNNING", "RUNNING", "STOPPING"), StageState(2, 2)),
        (details("CONFIG_UPDATE_STARTED", 1), StageState(0, 1, StageTrouble.STARTING)),
        (details("CONFIG_UPDATE_STARTED", 0), StageState(0, 0, StageTrouble.STARTING)),
        (details("REPLICA_STARTUP_FAILED", 1, "STARTING"), StageState(0, 1, StageTrouble.FAILS_TO_START)),
        (details("HEALTH_CHECK_FAILED", 2, "RUNNING", "STARTING"), StageState(1, 2, StageTrouble.UNHEALTHY)),
        (
            details(
                "CONFIG_UPDATE_STARTED", 1, "STARTING", message="1 replicas have taken more than 30s to be scheduled."
            ),
            StageState(0, 1, StageTrouble.NO_ROOM),
        ),
    ],
)
def test_what_serve_says_of_a_stage(told: DeploymentDetails, expected: StageState) -> None:
    assert stage_state(told) == expected


def told(**applications: tuple[str, dict[str, DeploymentDetails]]) -> ServeInstanceDetails:
    """Applications with their status and deployments."""
    actor = {"node_id": None, "node_ip": None, "actor_id": None, "actor_name": None, "worker_id": None}
    return ServeInstanceDetails.model_validate(
        {
            "controller_info": {**actor, "log_file_path": None, "node_instance_id": None},
            "proxies": {},
            "applications": {
                name: {
                    "name": name,
                    "route_prefix": None,
                    "docs_path": None,
                    "status": status,
                    "message": "",
                    "last_deployed_time_s": 0.0,
                    "deployed_app_config": None,
                    "source": "declarative",
                    "deployments": {
                        stage: found.model_dump(exclude_unset=True) for stage, found in deployments.items()
                    },
                    "external_scaler_enabled": False,
                    "deployment_topology": None,
                }
                for name, (status, deployments) in applications.items()
            },
        }
    )


RUNS = details("CONFIG_UPDATE_COMPLETED", 1, "RUNNING")
DIES = details("HEALTH_CHECK_FAILED", 1, "STARTING")


@pytest.mark.parametrize(
    ("limiter", "expected"),
    [
        ({"limiter": ("RUNNING", {"Limiter": RUNS})}, StageState(1, 1)),
        ({"limiter": ("RUNNING", {"Limiter": DIES})}, StageState(0, 1, StageTrouble.UNHEALTHY)),
        ({"limiter": ("DEPLOYING", {})}, StageState(0, 1, StageTrouble.STARTING)),
        ({"limiter": ("DELETING", {"Limiter": RUNS})}, StageState(0, 1, StageTrouble.STARTING)),
        ({}, StageState(0, 1, StageTrouble.STARTING)),
    ],
)
def test_a_limiter_that_is_an_application_of_its_own_is_a_stage(
    limiter: dict[str, tuple[str, dict[str, DeploymentDetails]]], expected: StageState
) -> None:
    found = health_of(told(service=("RUNNING", {"Decoder": RUNS}), **limiter), "service", "limiter")
    assert found.stages == {"Decoder": StageState(1, 1), "Limiter": expected}
    assert found.missing == (() if expected.running else ("Limiter",))


def test_other_applications_are_no_stages() -> None:
    everything = told(service=("RUNNING", {"Decoder": RUNS}), limiter=("RUNNING", {"Limiter": DIES}))
    assert health_of(everything, "service", None).stages == {"Decoder": StageState(1, 1)}
    assert health_of(everything, "nobody", "limiter").stages == {}
