"""Where the audio of jobs is kept until they ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from deployments.errors import EngineUnavailable, NotFound, Overloaded, ServiceUnavailable
from serve_app.jobs.rows import is_job_id
from serve_app.settings import S3Settings, StorageSettings
from serve_app.storage.location import storage_folder

Audio = npt.NDArray[np.uint8]

_Result = TypeVar("_Result")
# Files or objects at once; each thread mostly waits.
_THREADS = 4
# Left for others on the disk, above all for the database: an answer whose charge cannot be written is none.
_KEPT_FREE_BYTES = 1024 * 1024 * 1024
_RETRY_AFTER_S = 60.0
_PART = re.compile(r"\.[0-9a-f]{8}\.part")


class AudioStore(Protocol):
    """Files by the id of their job. All methods raise ServiceUnavailable when the place does not answer, or is full."""

    async def put(self, name: str, audio: Audio) -> None:
        """Keep a file; when this returns, it survives a crash of the machine as well as the place can promise.

        Raises:
            Overloaded: it would leave too little room for others.
        """
        ...

    async def get(self, name: str) -> Audio:
        """A file, uint8 [n].

        Raises:
            NotFound: there is none.
        """
        ...

    async def delete(self, name: str) -> None:
        """Delete a file; that there is none is fine."""
        ...

    async def older_than(self, age_s: float) -> tuple[str, ...]:
        """Names of files that were put so long ago, left-overs of puts that did not end among them.

        The place may be somebody else's, too: what no put can have made is not told, so that nobody deletes it.
        """
        ...

    async def close(self) -> None:
        """Free threads and connections."""
        ...


def is_audio_name(name: str) -> bool:
    """Whether a put, also one that did not end, may have made a file of this name."""
    job_id, dot, rest = name.partition(".")
    return is_job_id(job_id) and (not dot or _PART.fullmatch(dot + rest) is not None)


def open_audio_store(storage: StorageSettings, s3: S3Settings) -> AudioStore:
    """What the settings name.

    Raises:
        EngineUnavailable: audio_url is not s3://bucket or s3://bucket/prefix.
    """
    if storage.audio_url is None:
        return AudioFolder(storage_folder(storage) / "audio")
    from serve_app.jobs.audio_bucket import AudioBucket

    scheme, _, place = storage.audio_url.partition("://")
    bucket, _, prefix = place.partition("/")
    if scheme != "s3" or not bucket:
        raise EngineUnavailable("storage.audio_url must be s3://bucket/prefix")
    return AudioBucket(bucket, prefix, s3)


class AudioFolder:
    """A folder of this machine, or one that all machines share."""

    def __init__(self, folder: Path, kept_free_bytes: int = _KEPT_FREE_BYTES) -> None:
        """Makes the folder, for this user alone, where it is missing; so much of its disk stays free."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._kept_free_bytes = kept_free_bytes
        # Of its own: Serve gives a replica with little CPU few threads for everything else.
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="audio-folder")

    async def put(self, name: str, audio: Audio) -> None:
        """See AudioStore."""
        await self._in_thread(lambda: self._write(name, audio))

    async def get(self, name: str) -> Audio:
        """See AudioStore."""
        return await self._in_thread(lambda: self._read(name))

    async def delete(self, name: str) -> None:
        """See AudioStore."""
        await self._in_thread(lambda: (self._folder / name).unlink(missing_ok=True))

    async def older_than(self, age_s: float) -> tuple[str, ...]:
        """See AudioStore."""
        return await self._in_thread(lambda: tuple(self._aged(time.time() - age_s)))

    async def close(self) -> None:
        """See AudioStore."""
        self._executor.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except OSError as error:
            raise ServiceUnavailable(f"The folder of the audio cannot be used: {error.strerror}") from error

    def _write(self, name: str, audio: Audio) -> None:
        """Under its name only when it is whole and on the disk; then the name itself is put there."""
        if shutil.disk_usage(self._folder).free - audio.nbytes < self._kept_free_bytes:
            raise Overloaded("There is no room for the audio of another job", _RETRY_AFTER_S)
        part = self._folder / f"{name}.{secrets.token_hex(4)}.part"
        try:
            with part.open("xb") as file:
                file.write(np.ascontiguousarray(audio).data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._folder / name)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
        _sync_folder(self._folder)

    def _read(self, name: str) -> Audio:
        try:
            return np.fromfile(self._folder / name, np.uint8)
        except FileNotFoundError:
            raise NotFound("recording", name) from None

    def _aged(self, put_before_s: float) -> list[str]:
        names = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if not is_audio_name(entry.name) or not entry.is_file(follow_symlinks=False):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    if entry.stat().st_mtime <= put_before_s:
                        names.append(entry.name)
        return names


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
