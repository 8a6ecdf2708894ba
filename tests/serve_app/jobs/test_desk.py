from __future__ import annotations

import os
import time

import numpy as np
import pytest

from deployments.errors import EngineUnavailable, InvalidParameter, NotFound, Overloaded
from serve_app.jobs.contracts import Callback, DeliveryState, JobStatus
from serve_app.jobs.desk import StoredJobs, check_callback
from serve_app.jobs.outbox import AttemptOutcome
from serve_app.jobs.single_node import check_single_node
from serve_app.outbound.guard import AddressGuard
from serve_app.settings import JobSettings, StorageSettings
from serve_app.storage.database import Database
from tests.fakes.job_bench import JobBench, order, transcript_of, visit

pytestmark = pytest.mark.unit

AUDIO = np.frombuffer(b"some audio", np.uint8)


def _desk(bench: JobBench) -> StoredJobs:
    return StoredJobs(bench.store, bench.audio, AddressGuard(), lambda: bench.clock.now_s)


async def test_what_is_accepted_has_its_audio(bench: JobBench) -> None:
    desk, ann = _desk(bench), visit("ann").caller
    job = await desk.accept(visit("ann"), order("req_1"), AUDIO)
    assert (await bench.audio.get(job.id)).tobytes() == b"some audio"
    assert await desk.find(ann, job.id) == job
    assert await desk.recent(ann, 10) == (job,)
    assert (await desk.cancel(ann, job.id)).status is JobStatus.CANCELLED
    with pytest.raises(NotFound):
        await desk.find(visit("bob").caller, job.id)


async def test_what_is_not_accepted_leaves_no_audio(bench: JobBench) -> None:
    bench = JobBench(bench.database, bench.folder, JobSettings(max_queued_per_user=1))
    desk = _desk(bench)
    job = await desk.accept(visit("ann"), order("req_1"), AUDIO)
    with pytest.raises(Overloaded):
        await desk.accept(visit("ann"), order("req_2"), AUDIO)
    with pytest.raises(InvalidParameter):
        await desk.accept(visit("bob"), order("req_3", "http://10.0.0.1/"), AUDIO)
    assert await bench.audio.older_than(-1) == (job.id,)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook?a=1",
        "http://user:password@example.com:8080/",
        "http://8.8.8.8/",
        "http://[2001:4860:4860::8888]/",
    ],
)
def test_public_webhooks_are_taken(url: str) -> None:
    check_callback(Callback(url), AddressGuard())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hook",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://LOCALHOST:9000/",
        "http://a.localhost/",
        "http://2130706433/",
        "http://example.com/\0",
        "https://example.com/" + "x" * 4096,
    ],
)
def test_others_are_refused_by_the_name_of_the_parameter(url: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_callback(Callback(url), AddressGuard())
    assert caught.value.parameter == "callback_url"


def test_a_method_that_is_never_sent_is_refused() -> None:
    with pytest.raises(InvalidParameter):
        check_callback(Callback("https://example.com/", "DELETE"), AddressGuard())


def test_the_operator_makes_exceptions() -> None:
    check_callback(Callback("http://10.1.2.3/"), AddressGuard(allowed_networks=["10.0.0.0/8"]))
    check_callback(Callback("http://localhost/"), AddressGuard(allowed_hosts=["localhost"]))


@pytest.mark.parametrize(
    ("url", "storage", "nodes", "setting"),
    [
        ("sqlite+aiosqlite:////x.db", StorageSettings(folder="/x"), 2, "storage.database_url"),
        ("postgresql+psycopg://h/d", StorageSettings(), 3, "storage.audio_url"),
    ],
)
def test_storage_of_one_node_is_refused_on_several(
    url: str, storage: StorageSettings, nodes: int, setting: str
) -> None:
    check_single_node(Database(url), storage, 1)
    with pytest.raises(EngineUnavailable, match=setting):
        check_single_node(Database(url), storage, nodes)


def test_storage_that_all_nodes_see_serves_several() -> None:
    database = Database("postgresql+psycopg://h/d")
    check_single_node(database, StorageSettings(audio_url="s3://bucket"), 5)
    check_single_node(database, StorageSettings(folder="/shared"), 5)


async def _ended(bench: JobBench) -> str:
    job = await _desk(bench).accept(visit("ann"), order("req_1"), AUDIO)
    claim = await bench.queue.claim()
    assert claim is not None
    await bench.queue.complete(claim, transcript_of(job.order.request))
    return job.id


async def test_audio_and_results_go_when_their_time_is_over(bench: JobBench) -> None:
    settings = JobSettings(audio_retention_s=10.0, result_retention_s=100.0)
    bench = JobBench(bench.database, bench.folder, settings)
    job_id = await _ended(bench)
    waiting = await _desk(bench).accept(visit("bob"), order("req_2"), AUDIO)
    bench.pass_time(9)
    await bench.sweeper.sweep()
    assert len(await bench.audio.get(job_id)) == 10
    bench.pass_time(1)
    await bench.sweeper.sweep()
    with pytest.raises(NotFound):
        await bench.audio.get(job_id)
    bench.pass_time(1000)
    await bench.sweeper.sweep()
    # Its webhook may still be reached.
    assert (await bench.store.find("user_ann", job_id)).deliveries
    (due,) = await bench.outbox.claim(1)
    await bench.outbox.settle(due, AttemptOutcome(DeliveryState.DELIVERED, 0.1, 204))
    await bench.sweeper.sweep()
    with pytest.raises(NotFound):
        await bench.store.find("user_ann", job_id)
    assert (await bench.store.find("user_bob", waiting.id)).status is JobStatus.QUEUED
    assert len(await bench.audio.get(waiting.id)) == 10


async def test_audio_without_a_job_goes_after_an_hour(bench: JobBench) -> None:
    job = await _desk(bench).accept(visit("ann"), order("req_1"), AUDIO)
    orphan, new, foreign = "job_" + "0" * 32, "job_" + "1" * 32, "board-meeting.wav"
    part, subfolder = f"{orphan}.0123abcd.part", "kept"
    for name in (orphan, part, new, foreign):
        await bench.audio.put(name, AUDIO)
    folder = bench.folder / "audio"
    (folder / subfolder).mkdir()
    for name in (orphan, part, job.id, foreign, subfolder):
        os.utime(folder / name, (time.time() - 3601,) * 2)
    await bench.sweeper.sweep_orphans()
    assert {path.name for path in folder.iterdir()} == {job.id, new, foreign, subfolder}
