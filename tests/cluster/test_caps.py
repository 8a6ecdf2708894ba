"""One user's cap, counted over three ingress replicas."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from ray import serve

from serve_app.access.keys import KeyStore
from serve_app.access.plans import Plan
from serve_app.access.users import UserStore
from serve_app.settings import AccessSettings, Settings, StorageSettings
from serve_app.storage.database import Database
from serve_app.storage.location import database_url
from tests.cluster.service import RunningService, eventually
from tests.cluster.stand_in_graph import stand_in_app

pytestmark = pytest.mark.cluster

CAP = 10
APPLICATION = "caps"


@dataclass(frozen=True, slots=True)
class Capped:
    service: RunningService
    key: str

    async def listen(self, client: httpx.AsyncClient) -> httpx.Response:
        headers = {"authorization": f"Token {self.key}"}
        return await client.post(f"/{APPLICATION}/v1/listen", files={"audio": b"RIFF"}, headers=headers)

    def client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=300)
        return httpx.AsyncClient(base_url=self.service.url, timeout=60, limits=limits)

    def most_inside(self) -> int:
        return int(self.service.call("Stages", "most_inside"))

    def leases(self) -> int:
        return int(self.service.call("Limiter", "load").leases)


@pytest.fixture(scope="module")
def capped(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Capped]:
    settings = Settings(
        storage=StorageSettings(folder=str(tmp_path_factory.mktemp("caps"))),
        access=AccessSettings(
            require_keys=True,
            plans={
                "default": Plan(concurrent_requests=CAP, requests_per_minute=None),
                "local": Plan(),
            },
        ),
    )
    key = asyncio.run(made_key(settings))
    app = stand_in_app(settings, ingress_replicas=3, recognition_s=0.3)
    serve.run(app, name=APPLICATION, route_prefix=f"/{APPLICATION}")
    yield Capped(replace(service, application=APPLICATION), key)
    serve.delete(APPLICATION)


async def made_key(settings: Settings) -> str:
    database = Database(database_url(settings.storage))
    try:
        await database.migrate()
        user = await UserStore(database, settings.access).ensure("crowd")
        return (await KeyStore(database, cache_s=0).create(user, "test")).key
    finally:
        await database.close()


def test_exactly_as_many_as_the_cap_are_never_refused(capped: Capped) -> None:
    async def one_after_the_other(client: httpx.AsyncClient) -> list[int]:
        return [(await capped.listen(client)).status_code for _ in range(10)]

    async def all_of_them() -> list[list[int]]:
        async with capped.client() as client:
            return await asyncio.gather(*(one_after_the_other(client) for _ in range(CAP)))

    statuses = [status for worker in asyncio.run(all_of_them()) for status in worker]
    assert statuses == [200] * 100
    assert capped.most_inside() <= CAP


def test_a_crowd_over_three_replicas_never_gets_more_than_the_cap(capped: Capped) -> None:
    async def crowd() -> Counter[int]:
        dice = random.Random(1)
        async with capped.client() as client:
            requests = []
            for turn in range(200):
                requests.append(asyncio.create_task(capped.listen(client)))
                await asyncio.sleep(0.03)
                if turn == 100:
                    killed = await asyncio.to_thread(capped.service.kill_replicas, "Ingress", 1)
                    assert killed == 1
            for request in dice.sample(requests, 50):
                request.cancel()
            answers = await asyncio.gather(*requests, return_exceptions=True)
        return Counter(answer.status_code for answer in answers if isinstance(answer, httpx.Response))

    statuses = asyncio.run(crowd())
    assert capped.most_inside() <= CAP
    assert statuses[429] > 50
    assert statuses[200] > CAP
    # 500 is the proxy's answer for what the killed replica held.
    assert set(statuses) <= {200, 429, 500, 503}
    assert eventually(lambda: capped.leases() == 0, 15)
    # And all of the cap can be had again, at once.
    test_exactly_as_many_as_the_cap_are_never_refused(capped)


def test_a_refusal_says_when_to_come_back(capped: Capped) -> None:
    async def too_many() -> list[httpx.Response]:
        async with capped.client() as client:
            return await asyncio.gather(*(capped.listen(client) for _ in range(CAP + 5)))

    refused = [answer for answer in asyncio.run(too_many()) if answer.status_code != 200]
    assert refused
    for answer in refused:
        assert answer.status_code == 429
        assert answer.json()["code"] == "RATE_LIMIT_EXCEEDED"
        assert int(answer.headers["retry-after"]) >= 1


def test_the_cap_holds_when_the_limiter_is_killed(capped: Capped) -> None:
    """The new one hears from the ingress replicas what is held before it admits anybody."""

    async def through_it() -> list[int]:
        async with capped.client() as client:
            first = [asyncio.create_task(capped.listen(client)) for _ in range(CAP)]
            await asyncio.sleep(0.1)
            await asyncio.to_thread(capped.service.kill_replicas, "Limiter")
            later = [asyncio.create_task(capped.listen(client)) for _ in range(CAP)]
            return [answer.status_code for answer in await asyncio.gather(*first, *later)]

    statuses = asyncio.run(through_it())
    assert statuses.count(200) >= CAP
    assert set(statuses) <= {200, 429, 503}
    assert capped.most_inside() <= CAP
    assert eventually(lambda: capped.leases() == 0, 30)
