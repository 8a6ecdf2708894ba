from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from serve_app.local_ray import (
    MAX_OBJECT_STORE_BYTES,
    MIN_OBJECT_STORE_BYTES,
    descendants,
    kill_after,
    object_store_bytes,
)

pytestmark = pytest.mark.unit

_GIB = 1024**3


@pytest.mark.parametrize(
    ("total_bytes", "shared_bytes", "expected"),
    [
        (64 * _GIB, 32 * _GIB, MAX_OBJECT_STORE_BYTES),
        (64 * _GIB, None, MAX_OBJECT_STORE_BYTES),
        (4 * _GIB, 2 * _GIB, 4 * _GIB // 5),
        (16 * _GIB, _GIB // 2, _GIB // 2 * 9 // 10),
        (16 * _GIB, 64 * 1024**2, MIN_OBJECT_STORE_BYTES),
    ],
)
def test_the_object_store_suits_the_machine(total_bytes: int, shared_bytes: int | None, expected: int) -> None:
    assert object_store_bytes(total_bytes, shared_bytes) == expected


def test_processes_that_do_not_end_are_killed() -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    started = [process for process in descendants() if process.pid == child.pid]
    assert len(started) == 1
    kill_after(started, timeout_s=0.1)
    assert not psutil.pid_exists(child.pid)
    child.communicate()
