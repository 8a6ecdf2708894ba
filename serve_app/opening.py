"""Opens what an ingress process works with, and closes it again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from deployments.signal_table import OPEN
from deployments.signals import Signals
from serve_app.access.client_secrets import ClientSecretStore
from serve_app.access.control import AccessControl
from serve_app.access.keys import KeyStore
from serve_app.access.lease_holder import LeaseHolder
from serve_app.access.lease_reports import HolderTimes
from serve_app.access.ledger import Ledger
from serve_app.access.metering import LedgerMeter
from serve_app.access.openness import check_somebody_may_enter, is_open
from serve_app.access.users import UserStore
from serve_app.access.visit import Caller
from serve_app.admission import Admission
from serve_app.byte_budget import ByteBudget
from serve_app.dialects.registry import CALLBACK_FORMS
from serve_app.draining import draining_event
from serve_app.health import HealthProbe
from serve_app.jobs.audio import open_audio_store
from serve_app.jobs.desk import StoredJobs
from serve_app.jobs.single_node import check_single_node
from serve_app.jobs.store import JobStore
from serve_app.live.service import EngineLiveService
from serve_app.measured import MeasuredTranscriber
from serve_app.outbound.guard import AddressGuard
from serve_app.pipeline import Pipeline, StageHandles
from serve_app.services import Services
from serve_app.settings import AccessSettings, Settings
from serve_app.sources.fetcher import AudioFetcher
from serve_app.storage.database import Database
from serve_app.storage.location import database_url
from serve_app.transcriptions import Transcriptions


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an ingress process knows of its cluster: where the proxies listen, how many nodes there are."""

    http_host: str
    alive_nodes: int
    is_draining: Callable[[], bool]


@asynccontextmanager
async def opened_services(
    settings: Settings,
    stages: StageHandles,
    health: HealthProbe,
    limiter: Any,
    surroundings: Surroundings,
    signals: Signals,
) -> AsyncIterator[Services]:
    """The services of one ingress process.

    Raises:
        EngineUnavailable: there is no way in, or the database is not what it should be.
        ServiceUnavailable: the database does not answer.
    """
    access = settings.access
    async with AsyncExitStack() as stack:
        database = Database(database_url(settings.storage), signals=signals)
        stack.push_async_callback(database.close)
        check_single_node(database, settings.storage, surroundings.alive_nodes)
        await database.migrate()
        keys = KeyStore(database, cache_s=access.key_cache_s)
        await check_somebody_may_enter(access, surroundings.http_host, keys.has_active_keys)
        opened = is_open(access, surroundings.http_host)
        local = await _local_caller(UserStore(database, access), access) if opened else None
        ledger = Ledger(database, billing=access.billing)
        meter = LedgerMeter(ledger)
        stack.push_async_callback(meter.close)
        times = HolderTimes(heartbeat_s=access.heartbeat_s, lease_ttl_s=access.lease_ttl_s)
        leases = LeaseHolder(limiter, times, signals=signals)
        stack.push_async_callback(leases.close)
        sources = AudioFetcher(settings.sources, settings.limits.max_bytes, any_bucket=opened)
        stack.push_async_callback(sources.close)
        guard = AddressGuard(
            settings.sources.allowed_hosts, settings.sources.allowed_networks, settings.sources.denied_networks
        )
        audio = open_audio_store(settings.storage, settings.sources.s3)
        stack.push_async_callback(audio.close)
        draining = await stack.enter_async_context(draining_event(surroundings.is_draining))
        pipeline = MeasuredTranscriber(Pipeline(stages, settings, signals), signals, "request")
        yield Services(
            settings=settings,
            transcriptions=Transcriptions(pipeline, meter),
            health=health,
            admission=Admission(settings.limits.max_requests, lambda open_: signals.set(OPEN, open_, kind="request")),
            upload_bytes=ByteBudget(settings.limits.max_inflight_bytes),
            sockets=Admission(settings.live.max_sessions, lambda open_: signals.set(OPEN, open_, kind="socket")),
            access=AccessControl(access, keys, ClientSecretStore(database), ledger, leases, local),
            sources=sources,
            live=EngineLiveService(settings, stages, meter, signals),
            usage=ledger,
            callback_forms=CALLBACK_FORMS,
            is_open=opened,
            draining=draining,
            signals=signals,
            jobs=StoredJobs(JobStore(database, settings.jobs.max_queued_per_user), audio, guard),
        )


async def check_way_in(settings: Settings, host: str) -> None:
    """What opened_services would find wrong with the access to a service that listens on host.

    Raises:
        EngineUnavailable: keys are needed and there is none.
        ServiceUnavailable: the database does not answer.
    """
    database = Database(database_url(settings.storage))
    try:
        await database.migrate()
        keys = KeyStore(database, cache_s=settings.access.key_cache_s)
        await check_somebody_may_enter(settings.access, host, keys.has_active_keys)
    finally:
        await database.close()


async def _local_caller(users: UserStore, access: AccessSettings) -> Caller:
    user = await users.ensure_local_user()
    return Caller(user.id, user.name, access.local_plan)
