from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from serve_app.jobs.audio import open_audio_store
from serve_app.jobs.contracts import DeliveryState, Job, JobStatus
from serve_app.jobs.desk import StoredJobs
from serve_app.jobs.service import JobService
from serve_app.jobs.store import JobStore
from serve_app.outbound.guard import AddressGuard
from serve_app.settings import JobSettings, Settings, SourceSettings, StorageSettings
from serve_app.storage.database import Database
from tests.fakes.job_bench import FORMS, add_user, order, visit
from tests.fakes.job_pipeline import GatedPipeline
from tests.fakes.scripted_http import fixed, response, scripted_server

pytestmark = pytest.mark.unit

AUDIO = np.frombuffer(b"some audio", np.uint8)


def _settings(database_url: str, folder: Path) -> Settings:
    return Settings(
        storage=StorageSettings(folder=str(folder), database_url=database_url),
        jobs=JobSettings(poll_interval_s=0.01),
        sources=SourceSettings(allowed_networks=("127.0.0.1/32",)),
    )


@contextlib.asynccontextmanager
async def _running(settings: Settings, pipeline: GatedPipeline) -> AsyncIterator[None]:
    assert settings.storage.database_url is not None
    service = JobService(settings, Database(settings.storage.database_url), pipeline, FORMS)
    running = asyncio.create_task(service.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await service.stop()


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[StoredJobs]:
    await add_user(database, "ann")
    audio = open_audio_store(StorageSettings(folder=str(tmp_path)), SourceSettings().s3)
    yield StoredJobs(JobStore(database, 10), audio, AddressGuard((), ("127.0.0.1/32",)))
    await audio.close()


async def _look(desk: StoredJobs, job: Job) -> Job:
    return await desk.find(visit("ann").caller, job.id)


async def test_a_runner_works_and_delivers_and_one_that_stops_gives_back_what_it_has(
    desk: StoredJobs, database_url: str, tmp_path: Path
) -> None:
    settings, stopped, working = _settings(database_url, tmp_path), GatedPipeline(), GatedPipeline()
    async with scripted_server(fixed(response(204))) as server:
        job = await desk.accept(visit("ann"), order("req_1", f"http://127.0.0.1:{server.port}/"), AUDIO)
        async with _running(settings, stopped):
            await stopped.begun.acquire()
        assert (await _look(desk, job)).status is JobStatus.QUEUED
        working.gate.set()
        async with _running(settings, working):
            await server.called.wait()
            while (await _look(desk, job)).deliveries[0].state is DeliveryState.PENDING:  # noqa: ASYNC110 it is in the database
                await asyncio.sleep(0.01)
    done = await _look(desk, job)
    assert (done.status, done.attempts) == (JobStatus.COMPLETED, 2)
    assert [attempt.status for attempt in done.deliveries[0].attempts] == [204]
    assert len(server.heard) == 1
