from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from serve_app import __version__
from serve_app.cli import app

pytestmark = pytest.mark.unit


def _serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the command changes the environment that Ray reads."""
    return subprocess.run([sys.executable, "-m", "serve_app", "serve", *arguments], capture_output=True, text=True)


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"rayscribe {__version__}\n")


def test_the_module_is_the_command() -> None:
    result = subprocess.run([sys.executable, "-m", "serve_app", "--help"], capture_output=True, text=True, check=True)
    for command in ("serve", "transcribe", "doctor", "plan", "keys", "usage", "wallet", "webhook-secret"):
        assert command in result.stdout


def test_help_waits_for_nothing_heavy() -> None:
    program = "import json, sys, serve_app.cli; print(json.dumps(list(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"ray", "onnxruntime", "numpy", "httpx", "pydantic", "fastapi", "scipy", "sqlalchemy"} & set(
        json.loads(result.stdout)
    )


def test_a_wrong_config_ends_serve_before_ray_starts(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("applications: [{import_path: 'a:b', rout_prefix: /}]")
    result = _serve("--config", str(path))
    assert result.returncode == 1
    assert "applications[0].rout_prefix: unknown key (did you mean route_prefix?)" in result.stderr
    assert "starting" not in result.stdout


def test_a_taken_port_ends_serve_before_ray_starts() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        result = _serve("--port", port)
    assert result.returncode == 1
    assert result.stderr == (
        f"Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another with --port.\n"
    )
    assert "starting" not in result.stdout
