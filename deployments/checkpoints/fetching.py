"""From what a config says to a folder with the files, fetched once per node."""

from __future__ import annotations

import hashlib
from pathlib import Path

from filelock import FileLock

from deployments.checkpoints.bucket import BucketPrefix
from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.hub import HubRepository
from deployments.checkpoints.local_folder import LocalFolder
from deployments.checkpoints.source import CheckpointSource, Origin
from deployments.checkpoints.store import CheckpointStore, LocalCheckpoint, Planned
from deployments.errors import EngineUnavailable


def fetch(source: CheckpointSource, cache: CheckpointCache | None) -> Path:
    """The folder with a checkpoint's files.

    What is complete on this node is taken as it is, without a look at the network: a restart loads what ran before,
    though a branch has moved on since. What is not is fetched, by one process of the node while the others wait.

    Raises:
        EngineUnavailable: it is not here and cannot be had, or there is no cache.
    """
    if cache is None:
        raise EngineUnavailable("To load a checkpoint takes a cache")
    found = find(source, cache)
    if found is not None:
        return found.folder
    if cache.offline and source.origin is not Origin.FOLDER:
        raise EngineUnavailable(
            f"The checkpoint {source} is not in {cache.folder}, and models.offline forbids to fetch it. Where there is "
            f"a network, `rayscribe models pull --config FILE` fills that folder, which can then be copied"
        )
    return pull(source, cache, only_if_missing=True).folder


def pull(
    source: CheckpointSource,
    cache: CheckpointCache,
    planned: Planned = lambda _bytes: None,
    *,
    only_if_missing: bool = False,
) -> LocalCheckpoint:
    """Fetch a checkpoint, offline or not: its newest content, unless the source is pinned.

    Args:
        source: what to fetch.
        cache: where to put it.
        planned: told how much there is to fetch.
        only_if_missing: what is complete on this node is new enough.

    Raises:
        EngineUnavailable: it cannot be had.
    """
    store = store_of(source, cache)
    if source.origin is Origin.FOLDER:
        return store.download(planned)
    with _lock(source, cache):
        # Another process may have fetched it while this one waited.
        found = store.find() if only_if_missing else None
        return found or store.download(planned)


def find(source: CheckpointSource, cache: CheckpointCache) -> LocalCheckpoint | None:
    """The complete copy on this node, if there is one."""
    return store_of(source, cache).find()


def store_of(source: CheckpointSource, cache: CheckpointCache) -> CheckpointStore:
    """The place that a source names.

    Raises:
        EngineUnavailable: the library for it is not installed.
    """
    match source.origin:
        case Origin.FOLDER:
            return LocalFolder(source)
        case Origin.BUCKET:
            return BucketPrefix(source, cache)
        case Origin.HUB:
            return HubRepository(source, cache)


def _lock(source: CheckpointSource, cache: CheckpointCache) -> FileLock:
    """Held by one process of the node; the kernel frees it when that process dies."""
    locks = cache.folder / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineUnavailable(f"Cannot keep models in {cache.folder}: {error.strerror}") from error
    return FileLock(locks / f"{hashlib.sha256(source.location.encode()).hexdigest()[:16]}.lock")
