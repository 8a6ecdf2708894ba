"""A Ray of our own in this process, of a size for one machine, that leaves nothing behind."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

_MIB = 1024 * 1024
MAX_OBJECT_STORE_BYTES = 1024 * _MIB
# Ray refuses less than 75 MiB.
MIN_OBJECT_STORE_BYTES = 80 * _MIB
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the mount itself, no file in it
# Ray's longest socket path is <temp dir>/session_<date>_<time>_<pid>/sockets/plasma_store, 70 characters after the
# temp dir; Linux takes 107 in all.
_MAX_TEMP_DIR_CHARS = 107 - 70
_EXIT_TIMEOUT_S = 5.0
CLUSTERS_VARIABLE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


def object_store_bytes(total_memory_bytes: int, shared_memory_free_bytes: int | None) -> int:
    """Memory for audio between stages: a fifth of the machine, at most 1 GiB, and no more than /dev/shm has.

    Two hours of audio are 460 MB. What does not fit goes to the disk.
    """
    size = min(MAX_OBJECT_STORE_BYTES, total_memory_bytes // 5)
    if shared_memory_free_bytes is not None:
        size = min(size, shared_memory_free_bytes * 9 // 10)
    return max(MIN_OBJECT_STORE_BYTES, size)


def shared_memory_free_bytes() -> int | None:
    """Free bytes of /dev/shm, or None where there is no such thing."""
    try:
        return shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return None


def prepare_environment() -> None:
    """Settings that Ray reads once, when it is imported: call this before."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # uvicorn leaves handshakes unanswered whose URL or header is longer; its default is 8 KiB (docs/live.md).
    os.environ.setdefault("WEBSOCKETS_MAX_LINE_LENGTH", "65536")
    if "RAY_AUTH_MODE" not in os.environ:
        # Only our own processes may talk to our Ray. By default Ray takes a token from the home directory, which it
        # writes there readable for everybody.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    # For Ray a node whose clusters are not enabled has the address 127.0.0.1, and all of its ports listen there, that
    # of metrics included, which asks for no token. ray.init has an option for the address, and on Linux ignores it.
    # What is left are ports of Serve's replicas for each other, which ask for the token.
    os.environ.setdefault(CLUSTERS_VARIABLE, "0")


@contextlib.contextmanager
def local_ray(*, verbose: bool) -> Iterator[Callable[[], bool]]:
    """Start Ray, and stop it with every process it started; gives a way to ask whether it still runs.

    Its files are in a folder of their own that goes when Ray stops.
    """
    import ray

    temp_dir = _make_temp_dir()
    try:
        ray.init(
            address="local",
            namespace="serve",
            include_dashboard=False,
            object_store_memory=object_store_bytes(psutil.virtual_memory().total, shared_memory_free_bytes()),
            log_to_driver=verbose,
            logging_level=logging.INFO if verbose else logging.ERROR,
            _temp_dir=str(temp_dir),
        )
        yield functools.partial(_all_run, _essential_processes())
    finally:
        started = descendants()
        try:
            ray.shutdown()
        finally:
            kill_after(started, _EXIT_TIMEOUT_S)
            shutil.rmtree(temp_dir, ignore_errors=True)


def _essential_processes() -> list[psutil.Process]:
    return [process for process in psutil.Process().children() if process.name() in ("gcs_server", "raylet")]


def _all_run(processes: list[psutil.Process]) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return all(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
    return False


def _make_temp_dir() -> Path:
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes a private folder in it
        if len(parent) + len("/rs-abcdefgh") <= _MAX_TEMP_DIR_CHARS:
            return Path(tempfile.mkdtemp(prefix="rs-", dir=parent))
    raise AssertionError("the last of the folders is short enough")


def descendants() -> list[psutil.Process]:
    """All processes that this one started, and theirs."""
    return psutil.Process().children(recursive=True)


def kill_after(processes: list[psutil.Process], timeout_s: float) -> None:
    """Give processes time to end by themselves, then kill the rest."""
    _, alive = psutil.wait_procs(processes, timeout=timeout_s)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=timeout_s)
