"""Work that outlives its request."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter

import httpx
import numpy as np
import pytest
from openai import OpenAI
from standardwebhooks import Webhook

from deployments.contracts import SAMPLE_RATE_HZ
from tests.cluster.service import RunningService, eventually
from tests.cluster.stand_in import StandIn
from tests.fakes.audio_files import encode_wav
from tests.fakes.recordings import recording
from tests.fakes.web import Web

pytestmark = pytest.mark.cluster

JOBS = 100


def test_a_result_is_delivered_and_can_be_fetched(service: RunningService, web: Web) -> None:
    audio = encode_wav(recording("two_cities")[: 6 * SAMPLE_RATE_HZ])
    plain = service.listen(audio).json()
    accepted = service.listen(audio, callback_url=f"{web.url}/hook-one").json()
    assert accepted.keys() == {"job_id", "status"}

    def delivered() -> list[dict[str, object]]:
        return [json.loads(hook.body) for hook in web.received if hook.path == "/hook-one"]

    assert eventually(lambda: bool(delivered()), 60)
    (body,) = delivered()
    assert body["job_id"] == accepted["job_id"]
    result = body["result"]
    assert isinstance(result, dict)
    assert result["text"] == plain["text"]
    job = service.client.get(f"/v1/jobs/{accepted['job_id']}").json()
    assert job["status"] == "completed"
    assert job["result"] == body
    assert accepted["job_id"] in [each["id"] for each in service.client.get("/v1/jobs").json()["jobs"]]


def test_a_recording_that_is_none_is_delivered_as_a_failure(service: RunningService, web: Web) -> None:
    accepted = service.listen(b"not audio at all", callback_url=f"{web.url}/hook-bad").json()
    assert eventually(lambda: any(hook.path == "/hook-bad" for hook in web.received), 60)
    (hook,) = [hook for hook in web.received if hook.path == "/hook-bad"]
    assert json.loads(hook.body)["status"] == "failed"
    assert service.client.get(f"/v1/jobs/{accepted['job_id']}").json()["status"] == "failed"


def test_a_job_can_be_cancelled(service: RunningService, web: Web) -> None:
    long = encode_wav(np.resize(recording("two_cities"), 200 * SAMPLE_RATE_HZ))
    accepted = service.listen(long, callback_url=f"{web.url}/hook-cancelled", diarize="true").json()
    assert service.client.delete(f"/v1/jobs/{accepted['job_id']}").json()["status"] in ("cancelled", "running")
    path = f"/v1/jobs/{accepted['job_id']}"
    assert eventually(lambda: service.client.get(path).json()["status"] == "cancelled", 15)


def test_no_accepted_job_is_lost_while_runners_die(stand_in: StandIn, web: Web) -> None:
    """One hundred jobs, and every second or so one of the two runners is killed."""
    dice = random.Random(7)

    async def accepted_while_runners_die() -> list[str]:
        async with stand_in.client(stand_in.patron_key) as client:
            job_ids = []
            for number in range(JOBS):
                answer = await client.post(
                    "/v1/listen", files={"audio": b"RIFF"}, data={"callback_url": f"{web.url}/jobs"}
                )
                assert answer.status_code == 200, answer.text
                job_ids.append(answer.json()["job_id"])
                if number % 25 == 10:
                    await asyncio.to_thread(stand_in.service.kill_replicas, "JobRunner", dice.choice((1, 2)))
            return job_ids

    job_ids = asyncio.run(accepted_while_runners_die())
    assert len(set(job_ids)) == JOBS

    def deliveries() -> Counter[str]:
        return Counter(json.loads(hook.body)["job_id"] for hook in web.received if hook.path.endswith("/jobs"))

    assert eventually(lambda: set(job_ids) <= set(deliveries()), 120)
    hooks = [hook for hook in web.received if hook.path == "/jobs"]
    assert all(json.loads(hook.body)["result"]["text"] == "hello" for hook in hooks)
    check_signatures(stand_in, hooks[0].headers, hooks[0].body)

    async def usage() -> httpx.Response:
        async with stand_in.client(stand_in.patron_key) as client:
            return await client.get("/v1/usage")

    # Whatever died in between, each was charged once.
    assert asyncio.run(usage()).json()["total"]["requests"] == JOBS


def check_signatures(stand_in: StandIn, headers: dict[str, str], body: bytes) -> None:
    """Both the scheme's own library and OpenAI's SDK take the signature for good, and no other."""
    Webhook(stand_in.patron_webhook_secret).verify(body, headers)
    client = OpenAI(api_key="unused", webhook_secret=stand_in.patron_webhook_secret)
    client.webhooks.verify_signature(body.decode(), headers)
    with pytest.raises(Exception, match=r"signature"):
        client.webhooks.verify_signature(body.decode() + " ", headers)
