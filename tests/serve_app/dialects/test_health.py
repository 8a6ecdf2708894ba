from __future__ import annotations

import pytest

from tests.fakes.edge import Edge

pytestmark = pytest.mark.unit


async def test_health_follows_the_stages(edge: Edge) -> None:
    assert (await edge.client.get("/health")).json() == {"status": "healthy"}
    assert (await edge.client.get("/healthz")).json() == {"ready": True}
    edge.health.running["Recognizer"] = 0
    response = await edge.client.get("/health")
    assert response.status_code == 503
    assert response.json() == {"status": "unhealthy", "reason": "No ASR workers available"}
    assert (await edge.client.get("/healthz")).status_code == 503
    assert (await edge.client.get("/api/v1/health")).status_code == 200


async def test_a_controller_that_does_not_answer_is_no_health(edge: Edge) -> None:
    edge.health.running.clear()
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
    edge.health.running["Diarizer"] = 0
    response = await edge.client.get("/health?detailed=true")
    body = response.json()
    assert (response.status_code, body["status"]) == (503, "unhealthy")
    assert body["reason"] == "No workers available for: Diarizer"
    assert body["components"] == {"Ingress": "healthy", "Recognizer": "healthy", "Diarizer": "unhealthy"}
