"""Real runner processes that are killed at random, on one database."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select

from serve_app.jobs.audio import open_audio_store
from serve_app.jobs.contracts import JobStatus
from serve_app.jobs.desk import StoredJobs
from serve_app.jobs.store import JobStore
from serve_app.jobs.tables import JOBS
from serve_app.outbound.guard import AddressGuard
from serve_app.settings import JobSettings, Settings, SourceSettings, StorageSettings, WebhookSettings
from serve_app.storage.database import Database
from serve_app.storage.tables import LEDGER
from tests.fakes import job_runner_process
from tests.fakes.job_bench import add_user, order, visit
from tests.fakes.scripted_http import Heard, response, scripted_server

pytestmark = pytest.mark.unit

_JOBS = 100
_RUNNERS = 2
_KILLS = 4


@dataclass
class Receiver:
    """A webhook that fails now and then, and keeps what it acknowledged: texts by message."""

    texts: dict[str, str] = field(default_factory=dict)
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> None:
        if random.random() < 0.1:
            writer.write(response(500))
            return
        self.texts[heard.headers["webhook-id"]] = json.loads(heard.body)["text"]
        writer.write(response(204))
        await writer.drain()
        if len(self.texts) == _JOBS:
            self.complete.set()
        async with self.progress:
            self.progress.notify_all()

    async def reached(self, messages: int) -> None:
        async with self.progress:
            await self.progress.wait_for(lambda: len(self.texts) >= messages)


@contextlib.contextmanager
def _runner(settings: Settings) -> Iterator[None]:
    """Killed when the context ends. Forked from a server that has imported everything, which takes seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([job_runner_process.__name__])
    process = context.Process(target=job_runner_process.run, args=(settings.model_dump_json(),))
    process.start()
    try:
        yield
        assert process.is_alive()
    finally:
        process.kill()
        process.join()
        process.close()


async def _keep_running(settings: Settings, receiver: Receiver, kill_at: list[int]) -> None:
    """One runner after another: each is killed once so many messages have arrived, but for the last."""
    for messages in kill_at:
        with _runner(settings):
            await receiver.reached(messages)
    with _runner(settings):
        await receiver.complete.wait()


async def test_of_a_hundred_jobs_none_is_lost_while_runners_are_killed(database_url: str, tmp_path: Path) -> None:
    settings = Settings(
        storage=StorageSettings(folder=str(tmp_path), database_url=database_url),
        jobs=JobSettings(lease_s=1.0, poll_interval_s=0.05, concurrent_jobs=4, max_attempts=20),
        webhooks=WebhookSettings(first_retry_s=0.05, longest_retry_s=0.2, timeout_s=1.0),
        sources=SourceSettings(allowed_networks=("127.0.0.1/32",)),
    )
    database, receiver = Database(database_url), Receiver()
    for user in ("ann", "bob"):
        await add_user(database, user)
    audio = open_audio_store(settings.storage, settings.sources.s3)
    desk = StoredJobs(
        JobStore(database, settings.jobs.max_queued_per_user),
        audio,
        AddressGuard((), settings.sources.allowed_networks),
    )
    # The runners take turns in dying.
    moments = sorted(random.sample(range(5, 80), _KILLS))
    async with scripted_server(receiver.answer) as server, asyncio.TaskGroup() as group:
        url = f"http://127.0.0.1:{server.port}/hook"
        for number in range(_RUNNERS):
            group.create_task(_keep_running(settings, receiver, moments[number::_RUNNERS]))
        for number in range(_JOBS):
            text = np.frombuffer(f"text {number}".encode(), np.uint8)
            await desk.accept(visit(("ann", "bob")[number % 2]), order(f"req_{number}", url), text)
    jobs = [job for user in ("ann", "bob") for job in await desk.recent(visit(user).caller, _JOBS)]
    assert len(jobs) == _JOBS
    assert {job.status for job in jobs} == {JobStatus.COMPLETED}
    assert sorted(receiver.texts.values()) == sorted(f"text {number}" for number in range(_JOBS))
    # Doubles of deliveries only: one message of each job, however often it was sent.
    assert {delivery.id for job in jobs for delivery in job.deliveries} == set(receiver.texts)
    assert any(job.attempts > 1 for job in jobs)
    async with database.reading() as connection:
        assert (await connection.execute(select(func.count()).select_from(LEDGER))).scalar_one() == _JOBS
        assert (await connection.execute(select(func.count()).select_from(JOBS))).scalar_one() == _JOBS
    await audio.close()
    await database.close()
