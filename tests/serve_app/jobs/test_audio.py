from __future__ import annotations

import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from deployments.errors import EngineUnavailable, NotFound, Overloaded, ServiceUnavailable
from serve_app.jobs.audio import AudioFolder, AudioStore, open_audio_store
from serve_app.settings import S3Settings, StorageSettings
from tests.fakes.s3_server import S3_ENVIRONMENT, running_s3_server

pytestmark = pytest.mark.unit

AUDIO = np.arange(100_000, dtype=np.uint32).view(np.uint8)
JOB_1, JOB_2 = "job_" + "1" * 32, "job_" + "2" * 32
# What people keep in a folder or a bucket of theirs.
FOREIGN = ("board-meeting.wav", "job_notes", JOB_1 + ".wav", JOB_1 + ".part", JOB_2 + ".ab.part", "job_" + "g" * 32)


@pytest.fixture(params=["folder", "bucket"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AudioStore]:
    if request.param == "folder":
        opened = open_audio_store(StorageSettings(folder=str(tmp_path)), S3Settings())
    else:
        opened = request.getfixturevalue("bucket_store")
    yield opened
    await opened.close()


@pytest.fixture
def s3_endpoint() -> Iterator[str]:
    with running_s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket_store(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> AudioStore:
    import boto3

    for name, text in S3_ENVIRONMENT.items():
        monkeypatch.setenv(name, text)
    boto3.session.Session().client("s3", endpoint_url=s3_endpoint).create_bucket(Bucket="audio")
    storage = StorageSettings(audio_url="s3://audio/jobs/")
    return open_audio_store(storage, S3Settings(endpoint_url=s3_endpoint))


async def test_what_is_put_is_got_until_it_is_deleted(store: AudioStore) -> None:
    # One test for all of it: the S3 server takes a second to start.
    await store.put(JOB_1, AUDIO[::2])
    await store.put(JOB_2, AUDIO[:0])
    assert (await store.get(JOB_1)).tobytes() == AUDIO[::2].tobytes()
    assert len(await store.get(JOB_2)) == 0
    # S3 has whole seconds.
    assert set(await store.older_than(-2)) == {JOB_1, JOB_2}
    assert await store.older_than(60) == ()
    for name in FOREIGN:
        await store.put(name, AUDIO[:1])
    assert set(await store.older_than(-2)) == {JOB_1, JOB_2}
    for _ in range(2):
        await store.delete(JOB_1)
    with pytest.raises(NotFound, match=f"No such recording: {JOB_1}"):
        await store.get(JOB_1)
    assert set(await store.older_than(-2)) == {JOB_2}


async def test_files_are_for_their_owner_and_left_overs_are_seen(tmp_path: Path) -> None:
    store = AudioFolder(tmp_path / "audio")
    await store.put(JOB_1, AUDIO)
    left_over = tmp_path / "audio" / f"{JOB_2}.0123abcd.part"
    left_over.write_bytes(b"half")
    os.utime(left_over, (time.time() - 7200,) * 2)
    assert (tmp_path / "audio").stat().st_mode & 0o777 == 0o700
    assert await store.older_than(3600) == (left_over.name,)
    await store.close()


async def test_folders_and_links_are_nobodys_left_overs(tmp_path: Path) -> None:
    store = AudioFolder(tmp_path / "audio")
    (tmp_path / "audio" / JOB_1).mkdir()
    (tmp_path / "audio" / JOB_2).symlink_to(tmp_path / "nowhere")
    assert await store.older_than(-1) == ()
    await store.close()


async def test_a_place_that_cannot_be_written_to_is_an_outage(tmp_path: Path) -> None:
    store = AudioFolder(tmp_path / "audio")
    (tmp_path / "audio").rmdir()
    with pytest.raises(ServiceUnavailable, match="No such file or directory"):
        await store.put(JOB_1, AUDIO)
    await store.close()


async def test_a_bucket_that_is_not_there_is_an_outage_that_tells_no_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in S3_ENVIRONMENT.items():
        monkeypatch.setenv(name, text)
    store = open_audio_store(
        StorageSettings(audio_url="s3://audio"), S3Settings(endpoint_url="http://u:pw@127.0.0.1:1")
    )
    with pytest.raises(ServiceUnavailable) as caught:
        await store.put(JOB_1, AUDIO)
    assert "pw" not in str(caught.value)
    await store.close()


@pytest.mark.parametrize("url", ["gs://bucket/x", "s3://", "bucket", "s3:///x"])
def test_other_places_are_refused(url: str) -> None:
    with pytest.raises(EngineUnavailable, match="s3://bucket/prefix"):
        open_audio_store(StorageSettings(audio_url=url), S3Settings())


async def test_the_disk_keeps_room_for_the_database(tmp_path: Path) -> None:
    free_bytes = shutil.disk_usage(tmp_path).free
    full = AudioFolder(tmp_path / "full", kept_free_bytes=2 * free_bytes)
    with pytest.raises(Overloaded, match="no room"):
        await full.put(JOB_1, AUDIO)
    assert list((tmp_path / "full").iterdir()) == []
    await full.close()
