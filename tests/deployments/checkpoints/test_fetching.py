from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.fetching import fetch, find
from deployments.checkpoints.source import CheckpointSource
from deployments.errors import EngineUnavailable
from tests.fakes.model_hub import Hub

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

pytestmark = pytest.mark.unit

PROCESSES = 3
# Says what it planned to download, if it was the one to do so, and where it found the files.
FETCHER = """
import sys
from pathlib import Path
from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.fetching import pull
from deployments.checkpoints.source import CheckpointSource

location, folder, endpoint = sys.argv[1:]
cache = CheckpointCache(Path(folder), s3_endpoint_url=endpoint, hub_endpoint=endpoint)
sys.stdin.readline()
found = pull(CheckpointSource(location), cache, lambda count: print("planned", count), only_if_missing=True)
print("found", found.folder)
"""


def fetched_by_several_processes(location: str, folder: Path, endpoint: str) -> list[str]:
    """The lines that they printed, all started at once on an empty cache."""
    command = [sys.executable, "-c", FETCHER, location, str(folder), endpoint]
    with_pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [
        subprocess.Popen(command, env={**os.environ}, **with_pipes)  # type: ignore[call-overload]
        for _ in range(PROCESSES)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    return [line for output in outputs for line in output.splitlines()]


@pytest.mark.usefixtures("s3")
def test_several_processes_fetch_once_from_a_bucket(s3: S3Client, s3_endpoint: str, tmp_path: Path) -> None:
    s3.create_bucket(Bucket="together")
    s3.put_object(Bucket="together", Key="tiny/model.safetensors", Body=bytes(4_000_000))
    lines = fetched_by_several_processes("s3://together/tiny", tmp_path, s3_endpoint)
    assert [line for line in lines if line.startswith("planned")] == ["planned 4000000"]
    assert len([line for line in lines if line.startswith("found")]) == PROCESSES
    assert len(set(lines)) == 2


def test_several_processes_fetch_once_from_a_hub(hub: Hub, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    hub.commit("acme/tiny", {"model.safetensors": bytes(4_000_000), "config.json": b"{}"})
    lines = fetched_by_several_processes("acme/tiny", tmp_path, hub.url)
    assert len(hub.downloads) == 2
    assert len(set(lines)) == 2


def test_a_folder_is_used_where_it_lies(tmp_path: Path) -> None:
    cache = CheckpointCache(tmp_path / "models", offline=True)
    source = CheckpointSource(str(tmp_path / "mine"))
    with pytest.raises(EngineUnavailable, match=r"no checkpoint in the folder .*mine"):
        fetch(source, cache)
    (tmp_path / "mine").mkdir()
    assert find(source, cache) is None
    (tmp_path / "mine" / "config.json").write_text("{}")
    assert fetch(source, cache) == tmp_path / "mine"
    assert not cache.folder.exists()


def test_a_full_disk_is_seen_before_the_first_byte(tmp_path: Path) -> None:
    cache = CheckpointCache(tmp_path, max_bytes=10**18)
    with pytest.raises(EngineUnavailable, match=r"needs 100000000\.0 GB in .* has .* left"):
        cache.check_room("acme/huge", 10**17, 10**17)
    cache.check_room("acme/small", 10**17, 1000)
