from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.fetching import fetch, find, pull
from deployments.checkpoints.source import CheckpointSource
from deployments.errors import EngineUnavailable

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

pytestmark = pytest.mark.unit

FILES = {
    "config.json": b"{}",
    "model.safetensors": bytes(range(256)) * 40,
    "sub/names.txt": b"a b",
}


@pytest.fixture
def cache(s3_endpoint: str, tmp_path: Path) -> CheckpointCache:
    return CheckpointCache(tmp_path / "models", s3_endpoint_url=s3_endpoint)


@pytest.fixture
def bucket(s3: S3Client) -> str:
    name = f"models-{uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def source(s3: S3Client, bucket: str) -> CheckpointSource:
    for path, content in {**FILES, "pytorch_model.bin": b"pickle", "empty/": b""}.items():
        s3.put_object(Bucket=bucket, Key=f"asr/tiny/{path}", Body=content)
    s3.put_object(Bucket=bucket, Key="asr/tiny-other/config.json", Body=b"another")
    return CheckpointSource(f"s3://{bucket}/asr/tiny/")


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_lies_below_the_prefix_is_fetched(source: CheckpointSource, cache: CheckpointCache) -> None:
    planned: list[int] = []
    pulled = pull(source, cache, planned.append)
    assert content(pulled.folder) == FILES
    assert planned == [pulled.size_bytes] == [sum(map(len, FILES.values()))]
    assert fetch(source, cache) == pulled.folder
    assert find(source, cache) == pulled


def test_a_whole_bucket_is_a_checkpoint_too(s3: S3Client, bucket: str, cache: CheckpointCache) -> None:
    s3.put_object(Bucket=bucket, Key="config.json", Body=b"{}")
    assert content(fetch(CheckpointSource(f"s3://{bucket}"), cache)) == {"config.json": b"{}"}


def test_what_is_here_needs_no_server(source: CheckpointSource, cache: CheckpointCache) -> None:
    # The address belongs to the place: another server may have a bucket of the same name.
    folder = fetch(source, cache)
    assert fetch(source, replace(cache, offline=True)) == folder
    with pytest.raises(EngineUnavailable, match=r"models\.offline.*rayscribe models pull"):
        fetch(source, replace(cache, offline=True, s3_endpoint_url="http://127.0.0.1:9"))


def test_new_content_comes_with_pull_alone_and_leaves_the_old(
    source: CheckpointSource, cache: CheckpointCache, s3: S3Client
) -> None:
    old = pull(source, cache)
    s3.put_object(Bucket=source.bucket, Key="asr/tiny/config.json", Body=b"[]")
    assert fetch(source, cache) == old.folder
    new = pull(source, cache)
    assert content(new.folder) == {**FILES, "config.json": b"[]"}
    assert content(old.folder) == FILES
    assert fetch(CheckpointSource(source.location, old.revision), cache) == old.folder


def test_a_pin_is_held_against_the_bucket(source: CheckpointSource, cache: CheckpointCache, s3: S3Client) -> None:
    digest = pull(source, cache).revision
    assert digest is not None
    elsewhere = replace(cache, folder=cache.folder / "elsewhere")
    pinned = CheckpointSource(source.location, digest[:12])
    assert content(fetch(pinned, elsewhere)) == FILES
    s3.put_object(Bucket=source.bucket, Key="asr/tiny/config.json", Body=b"[]")
    with pytest.raises(EngineUnavailable, match=f"the config wants {digest[:12]}"):
        fetch(pinned, replace(cache, folder=cache.folder / "third"))


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(b"short"), Path.unlink], ids=["cut", "deleted"])
def test_a_damaged_copy_is_repaired_with_what_it_lacks(
    source: CheckpointSource, cache: CheckpointCache, damage: Callable[[Path], object]
) -> None:
    pulled = pull(source, cache)
    damage(pulled.folder / "config.json")
    assert find(source, cache) is None
    planned: list[int] = []
    assert pull(source, cache, planned.append) == pulled
    assert content(pulled.folder) == FILES
    assert planned == [len(FILES["config.json"])]


def test_an_attempt_that_was_killed_is_continued(source: CheckpointSource, cache: CheckpointCache) -> None:
    pulled = pull(source, cache)
    root = pulled.folder.parent.parent
    unfinished = root / "unfinished" / str(pulled.revision)
    unfinished.parent.mkdir(exist_ok=True)
    pulled.folder.rename(unfinished)
    (unfinished / "model.safetensors").rename(unfinished / "model.safetensors.A1b2C3d4")
    (root / "unfinished" / "older").mkdir()
    planned: list[int] = []
    assert pull(source, cache, planned.append) == pulled
    assert planned == [len(FILES["model.safetensors"])]
    assert content(pulled.folder) == FILES
    assert list((root / "unfinished").iterdir()) == []


@pytest.mark.parametrize("key", ["asr/tiny/../../../evil", "asr/tiny/a//b", "asr/tiny/./x", "asr/tiny/a\\b"])
def test_a_key_that_leads_elsewhere_is_refused(
    source: CheckpointSource, cache: CheckpointCache, s3: S3Client, key: str
) -> None:
    s3.put_object(Bucket=source.bucket, Key=key, Body=b"evil")
    with pytest.raises(EngineUnavailable, match="whose name is no file's"):
        fetch(source, cache)
    assert not list(cache.folder.rglob("*evil*"))


def test_errors_name_the_place_and_no_endpoint(source: CheckpointSource, cache: CheckpointCache, bucket: str) -> None:
    with pytest.raises(EngineUnavailable, match=f"no checkpoint at s3://{bucket}/nothing"):
        fetch(CheckpointSource(f"s3://{bucket}/nothing"), cache)
    with pytest.raises(EngineUnavailable, match="answered NoSuchBucket"):
        fetch(CheckpointSource("s3://no-such-bucket-here/x"), cache)
    with pytest.raises(EngineUnavailable, match="cannot be fetched") as caught:
        fetch(source, replace(cache, s3_endpoint_url="http://user:hunter2@[bad"))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


def test_what_is_larger_than_allowed_is_not_begun(source: CheckpointSource, cache: CheckpointCache) -> None:
    with pytest.raises(EngineUnavailable, match=r"models\.max_bytes"):
        fetch(source, replace(cache, max_bytes=1000))
    assert find(source, cache) is None
