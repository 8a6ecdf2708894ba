"""Everything that a runner process does: work on jobs, deliver, and sweep."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from deployments.errors import ServiceUnavailable
from deployments.signals import SILENT, Signals
from serve_app.access.client_secrets import ClientSecretStore
from serve_app.access.ledger import Ledger
from serve_app.jobs.audio import open_audio_store
from serve_app.jobs.billing import LedgerBiller
from serve_app.jobs.census import Census
from serve_app.jobs.contact import DatabaseContact
from serve_app.jobs.contracts import CallbackForm
from serve_app.jobs.loop import Loop
from serve_app.jobs.outbox import Outbox
from serve_app.jobs.queue import JobQueue
from serve_app.jobs.sender import WebhookSender
from serve_app.jobs.sweeper import Sweeper
from serve_app.jobs.worker import JobWorker
from serve_app.outbound.client import GuardedClient
from serve_app.outbound.guard import AddressGuard
from serve_app.settings import Settings
from serve_app.storage.database import Database
from serve_app.transcriptions import Transcriber

_CENSUS_INTERVAL_S = 15.0
_SWEEP_INTERVAL_S = 60.0
_ORPHAN_INTERVAL_S = 3600.0
_MIGRATION_RETRY_S = 2.0


class JobService:
    """Wires a runner. ``run`` never returns; ``stop`` gives back what it holds. For one event loop."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        pipeline: Transcriber,
        forms: Mapping[str, CallbackForm],
        signals: Signals = SILENT,
    ) -> None:
        """``forms`` write the webhooks, by dialect.

        Raises:
            EngineUnavailable: the settings name storage that does not exist.
        """
        jobs, webhooks, sources = settings.jobs, settings.webhooks, settings.sources
        self._database = database
        self._audio = open_audio_store(settings.storage, sources.s3)
        guard = AddressGuard(sources.allowed_hosts, sources.allowed_networks, sources.denied_networks)
        self._client = GuardedClient(guard, min(sources.connect_timeout_s, webhooks.timeout_s))
        biller = LedgerBiller(Ledger(database, billing=settings.access.billing), settings.access)
        queue = JobQueue(database, jobs, forms, biller, DatabaseContact(jobs.lease_s))
        # Twice the time that a request may take: the rest is for writing its outcome down.
        outbox = Outbox(database, webhooks.give_up_after_s, 2 * webhooks.timeout_s)
        self._worker = JobWorker(
            queue, self._audio, pipeline, jobs.concurrent_jobs, on_end=self._job_ended, signals=signals
        )
        self._sender = WebhookSender(outbox, self._client, webhooks, on_end=self._attempt_ended, signals=signals)
        sweeper = Sweeper(database, self._audio, jobs)
        self._filling = Loop("looking for jobs", self._worker.fill, jobs.poll_interval_s)
        self._delivering = Loop("delivering", self._sender.deliver_due, jobs.poll_interval_s)
        self._loops = (
            self._filling,
            self._delivering,
            Loop("renewing leases", self._worker.renew, jobs.lease_s / 4),
            Loop("counting jobs", Census(database, signals).take, _CENSUS_INTERVAL_S),
            Loop("sweeping", sweeper.sweep, _SWEEP_INTERVAL_S),
            Loop("sweeping audio without a job", sweeper.sweep_orphans, _ORPHAN_INTERVAL_S),
            Loop("sweeping client secrets", ClientSecretStore(database).sweep, _SWEEP_INTERVAL_S),
        )

    async def run(self) -> None:
        """Until cancelled, or until something is wrong with us; a database that is away is waited for."""
        while True:
            try:
                await self._database.migrate()
                break
            except ServiceUnavailable:
                await asyncio.sleep(_MIGRATION_RETRY_S)
        async with asyncio.TaskGroup() as group:
            for loop in self._loops:
                group.create_task(loop.run())

    async def stop(self) -> None:
        """After ``run`` was cancelled: give jobs and deliveries back, and close everything."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._database.close)
            stack.push_async_callback(self._audio.close)
            stack.push_async_callback(self._client.close)
            stack.push_async_callback(self._sender.stop)
            stack.push_async_callback(self._worker.stop)

    def _job_ended(self) -> None:
        self._filling.wake()
        self._delivering.wake()

    def _attempt_ended(self) -> None:
        self._delivering.wake()
