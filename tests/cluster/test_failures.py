"""Clients that hang up, and replicas that die."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import numpy as np
import pytest

from deployments.contracts import SAMPLE_RATE_HZ
from tests.cluster.service import RunningService, eventually
from tests.fakes.audio_files import encode_wav
from tests.fakes.recordings import recording

pytestmark = pytest.mark.cluster


def speech(seconds: int) -> bytes:
    return encode_wav(np.resize(recording("two_cities"), seconds * SAMPLE_RATE_HZ))


def test_a_client_that_hangs_up_stops_its_work(service: RunningService) -> None:
    def waiting() -> bool:
        # Seconds of audio, added and taken away.
        return float(service.call("Recognizer", "record_autoscaling_stats")["waiting"]) > 0.001

    async def hang_up_when_queued() -> None:
        async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
            requests = [
                asyncio.create_task(client.post("/v1/listen", files={"audio": speech(200)}, data={"diarize": "true"}))
                for _ in range(3)
            ]
            assert await asyncio.to_thread(eventually, waiting, 30)
            for request in requests:
                request.cancel()
            await asyncio.gather(*requests, return_exceptions=True)

    asyncio.run(hang_up_when_queued())
    # Thirty windows would have taken far longer than what is left of the two running batches.
    assert eventually(lambda: not waiting(), 5)
    assert service.listen(speech(4)).status_code == 200


@pytest.mark.parametrize(
    ("stage", "fields"),
    [
        ("Recognizer", {}),
        ("Decoder", {}),
        ("SpeechGate", {}),
        ("Refiner", {}),
        ("Diarizer", {"diarize": "true"}),
        ("LanguageIdentifier", {"language": "auto"}),
    ],
)
def test_requests_survive_the_death_of_a_replica(service: RunningService, stage: str, fields: dict[str, str]) -> None:
    async def listen_while_it_dies() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=service.url, timeout=120) as client:
            requests: list[asyncio.Task[Any]] = []
            for turn in range(12):
                requests.append(asyncio.create_task(client.post("/v1/listen", files={"audio": speech(8)}, data=fields)))
                if turn == 4:
                    killed = await asyncio.to_thread(service.kill_replicas, stage)
                    assert killed >= 1
                await asyncio.sleep(0.1)
            return list(await asyncio.gather(*requests))

    for response in asyncio.run(listen_while_it_dies()):
        if response.status_code == 503:
            assert response.json()["retry_after"] > 0
            assert response.headers["retry-after"]
        else:
            assert response.status_code == 200, response.text
            assert "best of times" in response.json()["text"]
    assert eventually(lambda: service.client.get("/health").status_code == 200, 60)
    assert "best of times" in service.listen(speech(8), **fields).json()["text"]


def test_health_tells_which_stage_is_not_ready(service: RunningService) -> None:
    def told() -> dict[str, Any]:
        return dict(service.client.get("/health?detailed=true").json())

    def is_down() -> bool:
        answer = told()
        return {answer["status"], answer["stages"]["SpeechGate"]["status"]} == {"unhealthy"}

    assert {stage["status"] for stage in told()["stages"].values()} == {"healthy"}
    assert service.kill_replicas("SpeechGate") == 1
    assert eventually(is_down, 60)
    assert eventually(lambda: told()["status"] == "healthy", 60)
