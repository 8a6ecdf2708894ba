"""A checkpoint below a prefix of an S3 bucket.

The copy of each content that the prefix has had is a folder of its own, named by its digest; it is made beside that
place and renamed into it, so that what is there is complete, and what a process has loaded from stays as it was.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.manifest import DIGEST_CHARACTERS, Manifest, ManifestEntry, read_manifest
from deployments.checkpoints.selection import wanted_files
from deployments.checkpoints.source import CheckpointSource, is_plain_path
from deployments.checkpoints.store import LocalCheckpoint, Planned, missing_files
from deployments.errors import EngineUnavailable

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

_MAX_OBJECTS = 10_000
_CONNECTIONS = 4
_ATTEMPTS = 5
_TIMEOUT_S = 30.0
_LEAST_PIN = 12


class BucketPrefix:
    """One prefix of one bucket."""

    def __init__(self, source: CheckpointSource, cache: CheckpointCache) -> None:
        self._source = source
        self._cache = cache
        place = f"{cache.s3_endpoint_url or ''} {source.bucket} {source.prefix}"
        name = f"{source.bucket}--{source.prefix}".replace("/", "--")[:100]
        self.root = cache.folder / "s3" / f"{name}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"
        self._newest = self.root / "newest"

    def find(self) -> LocalCheckpoint | None:
        """See CheckpointStore."""
        digest = self._local_digest()
        manifest = read_manifest(self._manifest_path(digest)) if digest else None
        if digest is None or manifest is None:
            return None
        folder = self._snapshot(digest)
        if not manifest.entries or missing_files(folder, manifest.sizes_bytes):
            return None
        return LocalCheckpoint(folder, digest, manifest.total_bytes)

    def download(self, planned: Planned) -> LocalCheckpoint:
        """See CheckpointStore."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        try:
            return self._download(self._connected(), planned)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            problem = f"the server answered {code}"
        except (BotoCoreError, Boto3Error, HTTPError, ValueError) as error:
            problem = type(error).__name__
        except OSError as error:
            problem = f"{error.strerror}: {error.filename}"
        # Outside the handlers, so that nothing is chained: the messages quote endpoints, which may carry credentials.
        raise EngineUnavailable(f"{self._source} cannot be fetched: {problem}")

    def _download(self, client: S3Client, planned: Planned) -> LocalCheckpoint:
        manifest = self._listed(client)
        self._check_pin(manifest)
        digest = manifest.digest
        done = LocalCheckpoint(self._snapshot(digest), digest, manifest.total_bytes)
        if missing_files(done.folder, manifest.sizes_bytes):
            self._fill(client, manifest, planned)
        _write_atomically(self._manifest_path(digest), manifest.to_json())
        _write_atomically(self._newest, digest)
        return done

    def _fill(self, client: S3Client, manifest: Manifest, planned: Planned) -> None:
        """Make the snapshot of a content."""
        snapshot = self._snapshot(manifest.digest)
        unfinished = self._unfinished(manifest.digest)
        _delete_strangers(unfinished, manifest)
        missing = missing_files(unfinished, manifest.sizes_bytes)
        missing_bytes = sum(missing.values())
        self._cache.check_room(str(self._source), manifest.total_bytes, missing_bytes)
        planned(missing_bytes)
        for path in missing:
            self._download_object(client, path, unfinished / path)
        if missing_files(unfinished, manifest.sizes_bytes) or self._listed(client) != manifest:
            raise EngineUnavailable(f"{self._source} was changed while it was fetched; try again")
        snapshot.parent.mkdir(exist_ok=True)
        unfinished.rename(snapshot)

    def _download_object(self, client: S3Client, path: str, target: Path) -> None:
        from boto3.s3.transfer import TransferConfig

        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        key = f"{self._source.prefix}/{path}" if self._source.prefix else path
        # Large objects in parts, several at once; into a temporary name, so that what has the right name is whole.
        config = TransferConfig(max_concurrency=_CONNECTIONS)
        client.download_file(self._source.bucket, key, os.fspath(target), Config=config)

    def _listed(self, client: S3Client) -> Manifest:
        entries = {entry.path: entry for entry in self._entries(client)}
        wanted = wanted_files({entry.path: entry.size_bytes for entry in entries.values()})
        if not wanted:
            raise EngineUnavailable(f"There is no checkpoint at {self._source}")
        return Manifest(tuple(entries[path] for path in sorted(wanted)))

    def _entries(self, client: S3Client) -> Iterator[ManifestEntry]:
        prefix = f"{self._source.prefix}/" if self._source.prefix else ""
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self._source.bucket, Prefix=prefix)
        objects = (entry for page in pages for entry in page.get("Contents", ()))
        for number, entry in enumerate(objects):
            if number >= _MAX_OBJECTS:
                raise EngineUnavailable(f"{self._source} holds more than {_MAX_OBJECTS} objects: give a longer prefix")
            path = entry["Key"].removeprefix(prefix)
            # What consoles make for an empty folder.
            if path.endswith("/") or not path:
                continue
            if not is_plain_path(path):
                raise EngineUnavailable(f"{self._source} has an object whose name is no file's: {path!r}")
            yield ManifestEntry(path, entry["Size"], entry["ETag"].strip('"'))

    def _check_pin(self, manifest: Manifest) -> None:
        pin = self._source.revision
        if pin is not None and not (len(pin) >= _LEAST_PIN and manifest.digest.startswith(pin)):
            raise EngineUnavailable(
                f"{self._source.location} is now at {manifest.digest}; the config wants {pin}, which is not on this "
                f"node (a pin has {_LEAST_PIN} to {DIGEST_CHARACTERS} characters)"
            )

    def _local_digest(self) -> str | None:
        pin = self._source.revision
        if pin is not None:
            found = sorted(self.root.glob(f"manifests/{pin}*.json")) if _is_pin(pin) else []
            return found[0].stem if found else None
        try:
            return self._newest.read_text(encoding="utf-8")
        except OSError:
            return None

    def _unfinished(self, digest: str) -> Path:
        """The folder to fetch into, with what an earlier attempt, or a copy that was damaged since, has left in it."""
        attempts = self.root / "unfinished"
        folder = attempts / digest
        if attempts.is_dir():
            for other in attempts.iterdir():
                if other != folder:
                    shutil.rmtree(other)
        damaged = self._snapshot(digest)
        if damaged.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            attempts.mkdir(exist_ok=True)
            damaged.rename(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _snapshot(self, digest: str) -> Path:
        return self.root / "snapshots" / digest

    def _manifest_path(self, digest: str) -> Path:
        return self.root / "manifests" / f"{digest}.json"

    def _connected(self) -> S3Client:
        from deployments.s3_client import s3_client

        return s3_client(
            self._cache.s3_endpoint_url,
            self._cache.s3_region,
            timeout_s=_TIMEOUT_S,
            connections=2 * _CONNECTIONS,
            attempts=_ATTEMPTS,
        )


def _delete_strangers(folder: Path, manifest: Manifest) -> None:
    """An attempt that was killed leaves files with temporary names."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in manifest.sizes_bytes:
            path.unlink()


def _is_pin(text: str) -> bool:
    return re.fullmatch(f"[0-9a-f]{{{_LEAST_PIN},{DIGEST_CHARACTERS}}}", text) is not None


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
