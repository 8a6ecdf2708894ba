"""A running stand-in graph with keys, three ingress replicas, two job runners, and the Limiter as an application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from ray import serve

from serve_app.access.keys import KeyStore
from serve_app.access.plans import Plan
from serve_app.access.users import UserStore
from serve_app.settings import AccessSettings, JobSettings, Settings, SourceSettings, StorageSettings
from serve_app.storage.database import Database
from serve_app.storage.location import database_url
from tests.cluster.service import RunningService
from tests.cluster.stand_in_graph import stand_in_app, stand_in_limiter

CAP = 10
APPLICATION = "standin"
LIMITER_APPLICATION = "standin-limiter"


@dataclass(frozen=True, slots=True)
class StandIn:
    """The service, its Limiter, and two users' keys: the crowd has a cap, the patron none."""

    service: RunningService
    limiter: RunningService
    limiter_target: serve.RunTarget
    crowd_key: str
    patron_key: str
    patron_webhook_secret: str

    def client(self, key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"{self.service.url}/{APPLICATION}",
            headers={"authorization": f"Token {key}"},
            timeout=60,
            limits=httpx.Limits(max_connections=300),
        )

    def most_inside(self) -> int:
        return int(self.service.call("Stages", "most_inside"))

    def leases(self) -> int:
        return int(self.limiter.call("Limiter", "load").leases)


@contextlib.contextmanager
def running_stand_in(service: RunningService, folder: Path) -> Iterator[StandIn]:
    settings = Settings(
        storage=StorageSettings(folder=str(folder)),
        access=AccessSettings(
            require_keys=True,
            limiter_application=LIMITER_APPLICATION,
            plans={
                "default": Plan(concurrent_requests=CAP, requests_per_minute=None),
                "patron": Plan(concurrent_requests=None, requests_per_minute=None),
                "local": Plan(),
            },
        ),
        sources=SourceSettings(allowed_networks=("127.0.0.0/8",)),
        # More attempts than there will be kills: that a job which kills its runners ends as failed is another test.
        jobs=JobSettings(lease_s=2.0, poll_interval_s=0.2, max_attempts=50, concurrent_jobs=4),
    )
    crowd_key, _ = asyncio.run(_made_user(settings, "crowd", "default"))
    patron_key, secret = asyncio.run(_made_user(settings, "patron", "patron"))
    app = stand_in_app(settings, ingress_replicas=3, recognition_s=0.3, job_runners=2)
    limiter = serve.RunTarget(stand_in_limiter(settings), LIMITER_APPLICATION, route_prefix=None)
    serve.run_many([serve.RunTarget(app, APPLICATION, f"/{APPLICATION}"), limiter])
    ours, its = (replace(service, application=name) for name in (APPLICATION, LIMITER_APPLICATION))
    yield StandIn(ours, its, limiter, crowd_key, patron_key, secret)
    serve.delete(APPLICATION)
    serve.delete(LIMITER_APPLICATION)


async def _made_user(settings: Settings, name: str, plan: str) -> tuple[str, str]:
    """A key, and the secret of the user's webhooks."""
    database = Database(database_url(settings.storage))
    try:
        await database.migrate()
        user = await UserStore(database, settings.access).ensure(name, plan)
        return (await KeyStore(database, cache_s=0).create(user, "test")).key, user.webhook_secret
    finally:
        await database.close()
