"""Whatever happens in whatever order, no job is lost, each ends once, and is charged and delivered as it should."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from serve_app.jobs.contracts import DeliveryState, Job, JobFailure, JobStatus
from serve_app.jobs.outbox import AttemptOutcome, DueDelivery
from serve_app.jobs.queue import Claim
from serve_app.jobs.tables import JOBS
from serve_app.storage.database import Database
from serve_app.storage.tables import LEDGER, METADATA
from tests.examples import examples
from tests.fakes.job_bench import JobBench, add_user, transcript_of

pytestmark = pytest.mark.unit

_FINAL = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
_FAILURE = JobFailure("UnsupportedAudio", "no audio was found")


class Interleavings(RuleBasedStateMachine):
    """Runners keep every claim that they ever had, and every attempt, and come back with them at any time."""

    open_database: Callable[[], Database]

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._folder = tempfile.TemporaryDirectory()
        self._accepted: dict[str, Job] = {}
        self._claims: list[Claim] = []
        self._attempts: list[DueDelivery] = []
        self._ended: dict[str, JobStatus] = {}
        self._received: set[str] = set()

    @initialize()
    def open(self) -> None:
        database = type(self).open_database()
        self._bench = JobBench(database, Path(self._folder.name))
        self._run(self._empty())

    def teardown(self) -> None:
        if hasattr(self, "_bench"):
            self._run(self._drain())
            self._run(self._check_all())
            self._run(self._bench.audio.close())
            self._run(self._bench.database.close())
        self._runner.close()
        self._folder.cleanup()

    @rule(user=st.sampled_from(["ann", "bob"]))
    def accept(self, user: str) -> None:
        job = self._run(self._bench.accept(user))
        self._accepted[job.id] = job

    @rule()
    def claim(self) -> None:
        claim = self._run(self._bench.queue.claim())
        if claim is not None:
            assert claim.job.id not in self._ended
            self._claims.append(claim)

    @rule(seconds=st.sampled_from([1.0, 14.0, 16.0, 50.0]))
    def pass_time(self, seconds: float) -> None:
        self._bench.pass_time(seconds)

    @precondition(lambda self: self._claims)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self._claims))
        self._run(self._bench.queue.renew([claim.lease_id]))

    @precondition(lambda self: self._claims)
    @rule(data=st.data(), how=st.sampled_from(["complete", "complete", "fail", "put back", "set back"]))
    def finish(self, data: st.DataObject, how: str) -> None:
        claim = data.draw(st.sampled_from(self._claims))
        queue = self._bench.queue
        if how == "complete":
            done = self._run(queue.complete(claim, transcript_of(claim.job.order.request)))
        elif how == "fail":
            done = self._run(queue.fail(claim, _FAILURE))
        else:
            done = self._run(queue.put_back(claim, 1.0, _FAILURE if how == "set back" else None))
        if done:
            self._note(claim.job.id)

    @precondition(lambda self: self._accepted)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = self._accepted[data.draw(st.sampled_from(sorted(self._accepted)))]
        self._run(self._bench.store.cancel(job.user_id, job.id))
        self._note(job.id)

    @rule()
    def begin_deliveries(self) -> None:
        self._attempts.extend(self._run(self._bench.outbox.claim(2)))

    @precondition(lambda self: self._attempts)
    @rule(data=st.data(), state=st.sampled_from(DeliveryState))
    def end_delivery(self, data: st.DataObject, state: DeliveryState) -> None:
        delivery = data.draw(st.sampled_from(self._attempts))
        self._attempts.remove(delivery)
        if state is DeliveryState.DELIVERED:
            self._received.add(delivery.id)
        self._run(self._bench.outbox.settle(delivery, AttemptOutcome(state, 0.1, 200, None, 3.0)))

    def _note(self, job_id: str) -> None:
        """Once a job has ended, it stays as it ended."""
        job = self._run(self._find(job_id))
        if job.status in _FINAL:
            assert self._ended.setdefault(job_id, job.status) is job.status

    async def _drain(self) -> None:
        """What a single runner that does not die makes of the rest; the webhooks answer."""
        for _ in range(1000):
            while (claim := await self._bench.queue.claim()) is not None:
                assert claim.job.id not in self._ended
                await self._bench.queue.complete(claim, transcript_of(claim.job.order.request))
            for delivery in await self._bench.outbox.claim(100):
                self._received.add(delivery.id)
                await self._bench.outbox.settle(delivery, AttemptOutcome(DeliveryState.DELIVERED, 0.1, 200))
            self._bench.pass_time(20)
            if await self._is_all_done():
                return
        pytest.fail("there is still something to do")

    async def _is_all_done(self) -> bool:
        jobs = [await self._find(job_id) for job_id in self._accepted]
        pending = [each for job in jobs for each in job.deliveries if each.state is DeliveryState.PENDING]
        return not pending and all(job.status in _FINAL for job in jobs)

    async def _check_all(self) -> None:
        async with self._bench.database.reading() as connection:
            assert set((await connection.execute(select(JOBS.c.id))).scalars()) == set(self._accepted)
            charged = sorted((await connection.execute(select(LEDGER.c.id))).scalars())
        jobs = [await self._find(job_id) for job_id in self._accepted]
        completed = [job for job in jobs if job.status is JobStatus.COMPLETED]
        assert charged == sorted(job.id for job in completed)
        for job in jobs:
            assert self._ended.get(job.id, job.status) is job.status
            assert len(job.deliveries) == (job.status is not JobStatus.CANCELLED)
            assert (job.transcript is not None) == (job.status is JobStatus.COMPLETED)
            assert (job.failure is not None) == (job.status is JobStatus.FAILED)
            for delivery in job.deliveries:
                assert [attempt.number for attempt in delivery.attempts] == [*range(1, len(delivery.attempts) + 1)]
                if delivery.state is DeliveryState.DELIVERED:
                    assert delivery.id in self._received

    async def _find(self, job_id: str) -> Job:
        return await self._bench.store.find(self._accepted[job_id].user_id, job_id)

    async def _empty(self) -> None:
        async with self._bench.database.writing() as connection:
            for table in reversed(METADATA.sorted_tables):
                await connection.execute(table.delete())
        for name in ("ann", "bob"):
            await add_user(self._bench.database, name)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)


def test_no_interleaving_loses_a_job(database_url: str) -> None:
    machine = type("Machine", (Interleavings,), {"open_database": staticmethod(lambda: Database(database_url))})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples(15), stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
