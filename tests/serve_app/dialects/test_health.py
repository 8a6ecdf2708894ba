from __future__ import annotations

import pytest
from ray.serve.schema import DeploymentDetails

from serve_app.health import StageState, StageTrouble, health_of, stage_state
from tests.fakes.edge import Edge
from tests.fakes.serve_details import details, told

pytestmark = pytest.mark.unit


async def test_health_follows_the_stages(edge: Edge) -> None:
    assert (await edge.client.get("/health")).json() == {"status": "healthy"}
    assert (await edge.client.get("/healthz")).json() == {"ready": True}
    edge.stages["Recognizer"] = StageState(0, 1, StageTrouble.STARTING)
    response = await edge.client.get("/health")
    assert response.status_code == 503
    assert response.json() == {"status": "unhealthy", "reason": "No ASR workers available"}
    assert (await edge.client.get("/api/v1/health")).status_code == 200


async def test_readiness_lasts_while_a_replica_is_replaced(edge: Edge) -> None:
    edge.stages["Recognizer"] = StageState(0, 1, StageTrouble.UNHEALTHY)
    edge.incomplete_s = 20.0
    assert (await edge.client.get("/healthz")).json() == {"ready": True}
    edge.incomplete_s = 31.0
    late = await edge.client.get("/healthz")
    assert (late.status_code, late.json()) == (503, {"ready": False})


async def test_a_controller_that_does_not_answer_is_no_health(edge: Edge) -> None:
    edge.stages.clear()
    response = await edge.client.get("/health")
    assert response.status_code == 503
    assert response.json()["reason"] == "The controller does not answer"
    ready = await edge.client.get("/healthz")
    assert (ready.status_code, ready.json()) == (503, {"ready": False})


async def test_while_the_controller_is_away_health_is_what_it_knew_and_says_so(edge: Edge) -> None:
    edge.health_age_s = 42.04
    response = await edge.client.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "healthy", "age_seconds": 42.0})
    assert (await edge.client.get("/healthz")).json() == {"ready": True}


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


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (details("CONFIG_UPDATE_COMPLETED", 1, "RUNNING"), StageState(1, 1)),
        (details("CONFIG_UPDATE_COMPLETED", 2, "RECOVERING", "RECOVERING"), StageState(2, 2)),
        (details("CONFIG_UPDATE_COMPLETED", 1, "PENDING_MIGRATION", "STARTING"), StageState(1, 1)),
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
