from __future__ import annotations

import asyncio
import contextlib
import os
import time
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
from serve_app.settings import JobSettings, Settings, SourceSettings, StorageSettings, WebhookSettings
from serve_app.storage.database import Database
from tests.fakes.job_bench import FORMS, add_user, order, visit
from tests.fakes.job_pipeline import GatedPipeline
from tests.fakes.scripted_http import Heard, fixed, response, scripted_server

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
            while (await _look(desk, job)).deliveries[0].state is DeliveryState.PENDING:  # noqa: ASYNC110  # a row has no event it is in the database
                await asyncio.sleep(0.01)
    done = await _look(desk, job)
    assert (done.status, done.attempts) == (JobStatus.COMPLETED, 2)
    assert [attempt.status for attempt in done.deliveries[0].attempts] == [204]
    assert len(server.heard) == 1


async def test_a_runner_keeps_a_job_that_outlasts_its_lease(
    desk: StoredJobs, database_url: str, tmp_path: Path
) -> None:
    jobs = JobSettings(poll_interval_s=0.05, lease_s=0.5, concurrent_jobs=1)
    settings = _settings(database_url, tmp_path).model_copy(update={"jobs": jobs})
    busy, other = GatedPipeline(), GatedPipeline()
    job = await desk.accept(visit("ann"), order("req_1"), AUDIO)
    async with _running(settings, busy):
        await busy.begun.acquire()
        async with _running(settings, other):
            await asyncio.sleep(1.5)
            found = await _look(desk, job)
            assert (found.status, found.attempts, other.heard) == (JobStatus.RUNNING, 1, [])


async def test_a_runner_sweeps(desk: StoredJobs, database_url: str, tmp_path: Path) -> None:
    settings = _settings(database_url, tmp_path)
    orphan = tmp_path / "audio" / ("job_" + "0" * 32)
    orphan.write_bytes(b"audio")
    os.utime(orphan, (time.time() - 7200,) * 2)
    async with _running(settings, GatedPipeline()):
        async with asyncio.timeout(5):
            while orphan.exists():  # noqa: ASYNC110  # a file has no event
                await asyncio.sleep(0.02)


async def test_an_attempt_is_not_taken_for_lost_while_its_time_lasts(
    desk: StoredJobs,
    database_url: str,
    tmp_path: Path,
) -> None:
    settings = _settings(database_url, tmp_path).model_copy(update={"webhooks": WebhookSettings(timeout_s=1.0)})
    pipeline = GatedPipeline()
    pipeline.gate.set()

    async def slowly(_: Heard, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.9)
        writer.write(response(204))

    async with scripted_server(slowly) as server:
        job = await desk.accept(visit("ann"), order("req_1", f"http://127.0.0.1:{server.port}/"), AUDIO)
        async with _running(settings, pipeline):
            await server.called.wait()
            while (await _look(desk, job)).deliveries[0].state is DeliveryState.PENDING:  # noqa: ASYNC110  # a row has no event
                await asyncio.sleep(0.05)
        assert len(server.heard) == 1


async def test_a_stopped_runners_deliveries_are_made_again_at_once(
    desk: StoredJobs,
    database_url: str,
    tmp_path: Path,
) -> None:
    settings, pipeline = _settings(database_url, tmp_path), GatedPipeline()
    pipeline.gate.set()

    async def never(_: Heard, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with scripted_server(never) as server:
        job = await desk.accept(visit("ann"), order("req_1", f"http://127.0.0.1:{server.port}/"), AUDIO)
        async with _running(settings, pipeline):
            await server.called.wait()
    (delivery,) = (await _look(desk, job)).deliveries
    assert [attempt.error for attempt in delivery.attempts] == ["the service was stopped"]
