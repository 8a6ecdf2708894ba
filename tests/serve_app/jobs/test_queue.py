from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

from deployments.contracts import TranscriptionRequest
from deployments.errors import InvalidParameter, NotFound, Overloaded
from serve_app.jobs.contact import DatabaseContact
from serve_app.jobs.contracts import DeliveryState, JobFailure, JobStatus
from serve_app.jobs.queue import Claim
from serve_app.jobs.rows import IllegalMove, locked, move
from serve_app.jobs.tables import JOBS
from serve_app.settings import JobSettings
from serve_app.storage.tables import LEDGER
from tests.fakes.job_bench import JobBench, order, transcript_of, visit

pytestmark = pytest.mark.unit

FAILURE = JobFailure("UnsupportedAudio", "no audio was found")


async def _claim(bench: JobBench) -> Claim:
    claim = await bench.queue.claim()
    assert claim is not None
    return claim


async def _charges(bench: JobBench) -> list[str]:
    async with bench.database.reading() as connection:
        return list((await connection.execute(select(LEDGER.c.id))).scalars())


async def test_an_accepted_job_is_found_as_it_was_ordered(bench: JobBench) -> None:
    wanted = order("req_x", method="GET", extra="k:v\0")
    job = await bench.store.accept("job_" + "0" * 32, visit("ann"), wanted)
    assert job.order == wanted
    assert (job.status, job.attempts, job.key_id) == (JobStatus.QUEUED, 0, "key_1")
    assert await bench.store.find("user_ann", job.id) == job


async def test_a_job_is_its_owners_only(bench: JobBench) -> None:
    job = await bench.accept("ann")
    for look in (bench.store.find, bench.store.cancel):
        with pytest.raises(NotFound):
            await look("user_bob", job.id)
    assert await bench.store.recent("user_bob", 10) == ()
    assert (await bench.store.find("user_ann", job.id)).status is JobStatus.QUEUED


@pytest.mark.parametrize("job_id", ["", "job_", "job_\0", "job_" + "g" * 32, "'", "\ud800"])
async def test_what_is_no_id_finds_nothing(bench: JobBench, job_id: str) -> None:
    for look in (bench.store.find, bench.store.cancel):
        with pytest.raises(NotFound):
            await look("user_ann", job_id)
    with pytest.raises(InvalidParameter):
        await bench.store.recent("user_ann", 10, before=job_id)


async def test_recent_jobs_come_newest_first_in_pages(bench: JobBench) -> None:
    jobs = [await bench.accept() for _ in range(5)]
    first = await bench.store.recent("user_ann", 2)
    second = await bench.store.recent("user_ann", 2, before=first[-1].id)
    assert [job.id for job in (*first, *second)] == [job.id for job in reversed(jobs)][:4]


async def test_no_more_jobs_of_one_user_wait_than_allowed(bench: JobBench) -> None:
    bench = JobBench(bench.database, bench.folder, JobSettings(max_queued_per_user=2))
    results = await asyncio.gather(*(bench.accept() for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, Overloaded) for result in results) == 3
    with pytest.raises(Overloaded):
        await bench.store.check_room("user_ann")
    await bench.accept("bob")
    await _claim(bench)
    await bench.accept("ann")


async def test_claims_go_round_between_users(bench: JobBench) -> None:
    for _ in range(3):
        await bench.accept("ann")
    await bench.accept("bob")
    claims = [await _claim(bench) for _ in range(4)]
    assert [claim.job.user_id for claim in claims] == ["user_ann", "user_bob", "user_ann", "user_ann"]
    assert await bench.queue.claim() is None


async def test_a_job_is_claimed_once_however_many_ask(bench: JobBench) -> None:
    jobs = {(await bench.accept()).id for _ in range(8)}
    claims = [claim for claim in await asyncio.gather(*(bench.queue.claim() for _ in range(12))) if claim]
    while (claim := await bench.queue.claim()) is not None:
        claims.append(claim)
    assert len(claims) == len({claim.lease_id for claim in claims}) == 8
    assert {claim.job.id for claim in claims} == jobs


async def test_a_completed_job_has_its_result_its_charge_and_its_message(bench: JobBench) -> None:
    job = await bench.accept(extra="k:v")
    claim = await _claim(bench)
    assert claim.job.status is JobStatus.RUNNING
    bench.pass_time(5)
    transcript = transcript_of(job.order.request)
    assert await bench.queue.complete(claim, transcript)
    found = await bench.store.find("user_ann", job.id)
    assert (found.status, found.transcript, found.attempts) == (JobStatus.COMPLETED, transcript, 1)
    assert found.started_at_s is not None
    assert found.ended_at_s == found.started_at_s + 5
    assert [delivery.state for delivery in found.deliveries] == [DeliveryState.PENDING]
    assert await _charges(bench) == [job.id]
    (due,) = await bench.outbox.claim(10)
    assert due.body == f'{{"job_id": "{job.id}", "status": "success", "text": "Hello.", "extra": "k:v"}}'
    assert (await bench.store.recent("user_ann", 1))[0].transcript is None


async def test_a_failed_job_costs_nothing_and_tells_why(bench: JobBench) -> None:
    job = await bench.accept()
    assert await bench.queue.fail(await _claim(bench), FAILURE)
    found = await bench.store.find("user_ann", job.id)
    assert (found.status, found.failure) == (JobStatus.FAILED, FAILURE)
    assert await _charges(bench) == []
    (due,) = await bench.outbox.claim(10)
    assert "no audio was found" in due.body


async def test_a_job_whose_runner_is_silent_goes_to_another_and_the_first_can_do_nothing_more(bench: JobBench) -> None:
    job = await bench.accept()
    first = await _claim(bench)
    bench.pass_time(14.9)
    assert await bench.queue.claim() is None
    bench.pass_time(0.1)
    second = await _claim(bench)
    assert second.job.attempts == 2
    transcript = transcript_of(job.order.request)
    assert await bench.queue.renew([first.lease_id]) == {first.lease_id}
    assert not await bench.queue.complete(first, transcript)
    assert not await bench.queue.fail(first, FAILURE)
    assert not await bench.queue.put_back(first, 0.0, FAILURE)
    assert await bench.queue.complete(second, transcript)
    assert not await bench.queue.complete(second, transcript)
    assert len(await _charges(bench)) == len(await bench.outbox.claim(10)) == 1


async def test_a_runner_that_renews_keeps_its_jobs(bench: JobBench) -> None:
    await bench.accept()
    claim = await _claim(bench)
    for _ in range(10):
        bench.pass_time(10)
        assert await bench.queue.renew([claim.lease_id]) == frozenset()
        assert await bench.queue.claim() is None


async def test_a_late_renewal_counts_while_nobody_took_the_job(bench: JobBench) -> None:
    await bench.accept()
    claim = await _claim(bench)
    bench.pass_time(100)
    assert await bench.queue.renew([claim.lease_id]) == frozenset()
    assert await bench.queue.claim() is None


async def test_a_runner_takes_no_job_from_itself_however_long_it_was_away(bench: JobBench) -> None:
    job = await bench.accept()
    claim = await _claim(bench)
    for _ in range(3):
        bench.pass_time(20)
        assert await bench.queue.claim([claim.lease_id]) is None
        bench.pass_time(14)
        assert await bench.queue.claim() is None
    assert await bench.queue.complete(claim, transcript_of(job.order.request))
    assert (await bench.store.find("user_ann", job.id)).attempts == 1


async def test_after_an_outage_the_first_runner_that_is_back_leaves_the_others_time_to_renew(bench: JobBench) -> None:
    healthy, dead = await bench.accept(), await bench.accept("bob")
    claim = await _claim(bench)
    assert (await _claim(bench)).job.id == dead.id
    back_first = bench.queue_of(DatabaseContact(15.0))
    bench.pass_time(20)
    for _ in range(15):
        assert await back_first.claim() is None
        bench.pass_time(1)
    assert await bench.queue.renew([claim.lease_id]) == frozenset()
    taken_over = await back_first.claim()
    assert taken_over is not None
    assert taken_over.job.id == dead.id
    assert (await bench.store.find("user_ann", healthy.id)).attempts == 1


async def test_a_runner_that_seldom_looks_for_jobs_keeps_in_touch_by_renewing_nothing(bench: JobBench) -> None:
    await bench.accept()
    await _claim(bench)
    seldom = bench.queue_of(DatabaseContact(15.0))
    for _ in range(5):
        assert await seldom.renew(()) == frozenset()
        bench.pass_time(3.75)
    assert await seldom.claim() is not None


def test_contact_is_lost_by_an_outage_and_by_a_step_of_the_clock() -> None:
    contact = DatabaseContact(8.0)
    assert [contact.reached(now_s) for now_s in (0.0, 4.0, 7.9, 8.0, 12.0)] == [False, False, False, True, True]
    assert [contact.reached(now_s) for now_s in (16.1, 20.0, 24.0, 24.2)] == [False, False, False, True]
    assert [contact.reached(now_s) for now_s in (24.1, 28.0, 32.0, 32.2)] == [False, False, False, True]


async def test_a_job_that_kills_its_runners_ends_as_failed_with_the_reason(bench: JobBench) -> None:
    job = await bench.accept()
    for _ in range(3):
        await _claim(bench)
        bench.pass_time(15)
    assert await bench.queue.claim() is None
    found = await bench.store.find("user_ann", job.id)
    assert found.failure == JobFailure(
        "WorkerDied", "Given up after 3 attempts; the last one: the worker died while it worked on this job"
    )
    (due,) = await bench.outbox.claim(10)
    assert "the worker died" in due.body


async def test_what_is_put_back_waits_and_counts_only_with_a_setback(bench: JobBench) -> None:
    job = await bench.accept()
    for _ in range(5):
        assert await bench.queue.put_back(await _claim(bench), 30.0)
        bench.pass_time(29.9)
        assert await bench.queue.claim() is None
        bench.pass_time(0.1)
    for _ in range(3):
        assert await bench.queue.put_back(await _claim(bench), 0.0, JobFailure("StageLost", "a worker died"))
    found = await bench.store.find("user_ann", job.id)
    assert found.attempts == 8
    assert found.failure == JobFailure("StageLost", "Given up after 3 attempts; the last one: a worker died")


async def test_a_cancelled_job_is_lost_to_its_runner_and_costs_and_sends_nothing(bench: JobBench) -> None:
    waiting, running = await bench.accept("bob"), await bench.accept("ann")
    assert (await bench.store.cancel("user_bob", waiting.id)).status is JobStatus.CANCELLED
    claim = await _claim(bench)
    assert claim.job.id == running.id
    cancelled = await bench.store.cancel("user_ann", running.id)
    assert cancelled.ended_at_s == bench.clock.now_s
    assert await bench.queue.renew([claim.lease_id]) == {claim.lease_id}
    assert not await bench.queue.complete(claim, transcript_of(running.order.request))
    assert await bench.queue.claim() is None
    assert await bench.outbox.claim(10) == ()
    assert await _charges(bench) == []


async def test_cancelling_what_has_ended_changes_nothing(bench: JobBench) -> None:
    job = await bench.accept()
    await bench.queue.complete(await _claim(bench), transcript_of(job.order.request))
    completed = await bench.store.find("user_ann", job.id)
    again = await bench.store.cancel("user_ann", job.id)
    assert again == completed


async def test_a_dialect_that_cannot_write_its_webhook_does_not_keep_the_job_from_ending(bench: JobBench) -> None:
    gone = replace(order("req_gone"), dialect="gone")
    job = await bench.store.accept("job_" + "0" * 32, visit("ann"), gone)
    assert await bench.queue.complete(await _claim(bench), transcript_of(TranscriptionRequest("req_gone")))
    (due,) = await bench.outbox.claim(1)
    assert due.body == f'{{"job_id": "{job.id}", "request_id": "req_gone", "status": "completed"}}'


async def test_no_job_moves_where_it_must_not(bench: JobBench) -> None:
    job = await bench.accept()
    await bench.store.cancel("user_ann", job.id)
    async with bench.database.writing() as connection:
        row = await locked(connection, JOBS.c.id == job.id)
        assert row is not None
        with pytest.raises(IllegalMove, match="cancelled cannot become running"):
            await move(connection, row, JobStatus.RUNNING)
