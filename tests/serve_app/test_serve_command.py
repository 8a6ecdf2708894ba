"""``rayscribe serve`` from outside: a Ray of its own comes up, answers, and is gone afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

pytestmark = pytest.mark.cluster

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


@pytest.fixture
def temp_dir() -> Iterator[Path]:
    """Short: Ray puts Unix sockets under it."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        yield Path(folder)


def _serve(temp_dir: Path, port: int, builder: str = "build_app", **args: Any) -> subprocess.Popen[str]:
    application = {
        "name": "greeting",
        "import_path": f"tests.fakes.greeting_app:{builder}",
        "args": args,
        "deployments": [{"name": "Greeting", "ray_actor_options": {"num_cpus": 0.1}}],
    }
    config = temp_dir / "config.yaml"
    config.write_text(yaml.safe_dump({"proxy_location": "HeadOnly", "applications": [application]}))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    # Who runs the tests may ignore Ctrl-C, as a shell's "&" does, and would hand that on.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "serve_app",
                "serve",
                "--config",
                config,
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
            ],
            cwd=_ROOT,
            env={**environment, "TMPDIR": str(temp_dir)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, handler)


def _wait_for_line(process: subprocess.Popen[str], start: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(start):
            return
    pytest.fail(f"it ended without {start!r}: {process.communicate()[1]}")


def _nothing_is_left(temp_dir: Path, started: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(started, timeout=5)
    return not alive and [path.name for path in temp_dir.iterdir()] == ["config.yaml"]


def test_it_answers_and_a_signal_stops_everything(temp_dir: Path, port: int) -> None:
    process = _serve(temp_dir, port)
    _wait_for_line(process, "Ready after")
    _wait_for_line(process, "Metrics: http://")
    _wait_for_line(process, "Logs: /")
    assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).text == "hello"
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) > 3
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert (process.returncode, stderr) == (0, "")
    assert stdout.splitlines()[-2:] == ["SIGINT: stopping … (once more to force)", "Stopped."]
    assert _nothing_is_left(temp_dir, started)


def test_a_second_signal_forces(temp_dir: Path, port: int) -> None:
    process = _serve(temp_dir, port)
    _wait_for_line(process, "starting Serve")
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    _wait_for_line(process, "SIGTERM: stopping")
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    _, alive = psutil.wait_procs(started, timeout=5)
    assert alive == []


def test_a_deployment_that_cannot_start_is_shown(temp_dir: Path, port: int) -> None:
    process = _serve(temp_dir, port, builder="build_failing_app")
    stdout, stderr = process.communicate()
    assert process.returncode == 1
    assert "no weights here" in stderr
    assert "Ready" not in stdout
    assert _nothing_is_left(temp_dir, [])


def test_wrong_settings_are_told_by_their_places_and_not_by_what_they_hold(temp_dir: Path, port: int) -> None:
    process = _serve(temp_dir, port, storage={"databse": "postgresql://user:password@host/db"})
    stdout, stderr = process.communicate()
    assert process.returncode == 1
    assert "applications[0].args.storage.databse: " in stderr
    assert "password" not in stdout + stderr
