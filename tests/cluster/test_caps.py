"""One user's cap, counted over three ingress replicas."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import httpx
import pytest
from ray import serve

from tests.cluster.service import eventually
from tests.cluster.stand_in import CAP, StandIn

pytestmark = pytest.mark.cluster


async def listen(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/v1/listen", files={"audio": b"RIFF"})


def test_exactly_as_many_as_the_cap_are_never_refused(stand_in: StandIn) -> None:
    async def one_after_the_other(client: httpx.AsyncClient) -> list[int]:
        return [(await listen(client)).status_code for _ in range(10)]

    async def all_of_them() -> list[list[int]]:
        async with stand_in.client(stand_in.crowd_key) as client:
            return await asyncio.gather(*(one_after_the_other(client) for _ in range(CAP)))

    statuses = [status for worker in asyncio.run(all_of_them()) for status in worker]
    assert statuses == [200] * 100
    assert stand_in.most_inside() <= CAP


def test_a_crowd_over_three_replicas_never_gets_more_than_the_cap(stand_in: StandIn) -> None:
    async def crowd() -> Counter[int]:
        dice = random.Random(1)
        async with stand_in.client(stand_in.crowd_key) as client:
            requests = []
            for turn in range(200):
                requests.append(asyncio.create_task(listen(client)))
                await asyncio.sleep(0.03)
                if turn == 100:
                    killed = await asyncio.to_thread(stand_in.service.kill_replicas, "Ingress", 1)
                    assert killed == 1
            for request in dice.sample(requests, 50):
                request.cancel()
            answers = await asyncio.gather(*requests, return_exceptions=True)
        return Counter(answer.status_code for answer in answers if isinstance(answer, httpx.Response))

    statuses = asyncio.run(crowd())
    assert stand_in.most_inside() <= CAP
    assert statuses[429] > 50
    assert statuses[200] > CAP
    # 500 is the proxy's answer for what the killed replica held.
    assert set(statuses) <= {200, 429, 500, 503}
    assert eventually(lambda: stand_in.leases() == 0, 15)
    # And all of the cap can be had again, at once.
    test_exactly_as_many_as_the_cap_are_never_refused(stand_in)


def test_a_refusal_says_when_to_come_back(stand_in: StandIn) -> None:
    async def too_many() -> list[httpx.Response]:
        async with stand_in.client(stand_in.crowd_key) as client:
            return await asyncio.gather(*(listen(client) for _ in range(CAP + 5)))

    refused = [answer for answer in asyncio.run(too_many()) if answer.status_code != 200]
    assert refused
    for answer in refused:
        assert answer.status_code == 429
        assert answer.json()["code"] == "RATE_LIMIT_EXCEEDED"
        assert int(answer.headers["retry-after"]) >= 1


def test_the_cap_holds_when_the_limiter_is_killed(stand_in: StandIn) -> None:
    """The new one hears from the ingress replicas what is held before it admits anybody."""

    async def through_it() -> list[int]:
        async with stand_in.client(stand_in.crowd_key) as client:
            first = [asyncio.create_task(listen(client)) for _ in range(CAP)]
            await asyncio.sleep(0.1)
            await asyncio.to_thread(stand_in.limiter.kill_replicas, "Limiter")
            later = [asyncio.create_task(listen(client)) for _ in range(CAP)]
            return [answer.status_code for answer in await asyncio.gather(*first, *later)]

    statuses = asyncio.run(through_it())
    assert statuses.count(200) >= CAP
    assert set(statuses) <= {200, 429, 503}
    assert stand_in.most_inside() <= CAP
    assert eventually(lambda: stand_in.leases() == 0, 30)


def test_a_limiter_that_is_away_is_told_and_found_when_its_application_is_back(stand_in: StandIn) -> None:
    async def answer() -> httpx.Response:
        async with stand_in.client(stand_in.crowd_key) as client:
            return await listen(client)

    serve.delete(stand_in.limiter_target.name)
    refused = asyncio.run(answer())
    assert (refused.status_code, refused.json()["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert int(refused.headers["retry-after"]) >= 1
    health = stand_in.service.client.get(f"/{stand_in.service.application}/health?detailed=true").json()
    assert health["reason"] == "No workers available for: Limiter"
    serve.run_many([stand_in.limiter_target])
    assert asyncio.run(answer()).status_code == 200
