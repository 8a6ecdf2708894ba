from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.fetching import fetch, find, pull
from deployments.checkpoints.source import CheckpointSource
from deployments.errors import EngineUnavailable
from tests.fakes.model_hub import Hub, running_hub

pytest.importorskip("huggingface_hub")
pytestmark = pytest.mark.unit

NAME = "acme/whisper-tiny"
SOURCE = CheckpointSource(NAME)
FILES = {
    "config.json": b'{"model_type": "whisper"}',
    "model.safetensors": bytes(range(256)) * 40,
    "pytorch_model.bin": b"pickle" * 1000,
    "sub/names[1].txt": b"brackets stand for themselves",
    "flax_model.msgpack": b"flax" * 1000,
}
WANTED = {name: FILES[name] for name in ("config.json", "model.safetensors", "sub/names[1].txt")}


@pytest.fixture
def cache(hub: Hub, tmp_path: Path) -> CheckpointCache:
    return CheckpointCache(tmp_path / "models", hub_endpoint=hub.url)


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_engines_load_is_fetched_once(hub: Hub, cache: CheckpointCache) -> None:
    commit = hub.commit(NAME, FILES)
    planned: list[int] = []
    pulled = pull(SOURCE, cache, planned.append)
    assert content(pulled.folder) == WANTED
    assert (pulled.revision, pulled.size_bytes) == (commit, sum(map(len, WANTED.values())))
    assert planned == [pulled.size_bytes]
    downloads = list(hub.downloads)
    assert sorted(downloads) == sorted(f"{name}@{commit}" for name in WANTED)
    assert fetch(SOURCE, cache) == pulled.folder
    assert hub.downloads == downloads


def test_a_branch_that_moved_on_is_followed_by_pull_alone(hub: Hub, cache: CheckpointCache) -> None:
    first = hub.commit(NAME, FILES)
    old = fetch(SOURCE, cache)
    second = hub.commit(NAME, {**FILES, "config.json": b"{}"})
    assert fetch(SOURCE, cache) == old
    pulled = pull(SOURCE, cache)
    assert pulled.revision == second
    assert content(pulled.folder)["config.json"] == b"{}"
    assert fetch(SOURCE, cache) == pulled.folder
    assert fetch(CheckpointSource(NAME, first), cache) == old


def test_a_pinned_commit_is_what_is_fetched(hub: Hub, cache: CheckpointCache) -> None:
    first = hub.commit(NAME, FILES)
    hub.commit(NAME, {"config.json": b"{}"})
    assert content(fetch(CheckpointSource(NAME, first), cache)) == WANTED
    assert find(SOURCE, cache) is None


def test_without_the_hub_what_is_here_is_enough(hub: Hub, cache: CheckpointCache) -> None:
    hub.commit(NAME, FILES)
    folder = fetch(SOURCE, cache)
    gone = replace(cache, hub_endpoint="http://127.0.0.1:9")
    assert fetch(SOURCE, gone) == folder
    assert fetch(SOURCE, replace(gone, offline=True)) == folder


def test_offline_and_missing_says_how_to_get_it(hub: Hub, cache: CheckpointCache) -> None:
    hub.commit(NAME, FILES)
    with pytest.raises(EngineUnavailable, match=r"acme/whisper-tiny.*offline.*rayscribe models pull"):
        fetch(SOURCE, replace(cache, offline=True))
    assert hub.downloads == []


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(b"short"), Path.unlink], ids=["cut", "deleted"])
def test_a_damaged_copy_is_repaired_with_what_it_lacks(
    hub: Hub, cache: CheckpointCache, damage: Callable[[Path], object]
) -> None:
    commit = hub.commit(NAME, FILES)
    damage((fetch(SOURCE, cache) / "model.safetensors").resolve())
    hub.downloads.clear()
    assert find(SOURCE, cache) is None
    assert content(fetch(SOURCE, cache)) == WANTED
    assert hub.downloads == [f"model.safetensors@{commit}"]


def test_errors_say_what_to_do(hub: Hub, cache: CheckpointCache) -> None:
    with pytest.raises(EngineUnavailable, match=r"does not exist, or is private.*HF_TOKEN"):
        fetch(SOURCE, cache)
    hub.commit(NAME, FILES)
    with pytest.raises(EngineUnavailable, match="no such revision"):
        fetch(CheckpointSource(NAME, "v9"), cache)
    with running_hub() as other:
        gone = other.url
    with pytest.raises(EngineUnavailable, match=r"cannot be fetched: ConnectError"):
        fetch(SOURCE, replace(cache, hub_endpoint=gone))


def test_a_gated_repository_wants_a_token(hub: Hub, cache: CheckpointCache, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.commit(NAME, FILES)
    hub.token = "hf_right"
    with pytest.raises(EngineUnavailable, match=r"consent.*HF_TOKEN"):
        fetch(SOURCE, cache)
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert content(fetch(SOURCE, cache)) == WANTED


def test_what_is_larger_than_allowed_is_not_begun(hub: Hub, cache: CheckpointCache) -> None:
    hub.commit(NAME, FILES)
    with pytest.raises(EngineUnavailable, match=r"models\.max_bytes"):
        fetch(SOURCE, replace(cache, max_bytes=1000))
    assert hub.downloads == []
