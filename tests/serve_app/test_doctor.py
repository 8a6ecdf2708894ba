from __future__ import annotations

import importlib.metadata
import socket
from pathlib import Path

import pytest

from deployments.errors import EngineUnavailable
from serve_app.doctor import (
    CONSTRAINTS,
    Verdict,
    check_engine,
    check_memory,
    check_packages,
    check_port,
    check_python,
    check_shared_memory,
    read_pins,
)

pytestmark = pytest.mark.unit

_GIB = 1024**3


def test_pins_are_read_under_canonical_names(tmp_path: Path) -> None:
    path = tmp_path / "constraints.txt"
    path.write_text("# head\n\nPyYAML==6.0.3\nruamel.yaml_clib==1.0  # why\n")
    assert read_pins(path) == {"pyyaml": "6.0.3", "ruamel-yaml-clib": "1.0"}


def test_this_installation_is_as_pinned() -> None:
    wrong = [finding for finding in check_packages(CONSTRAINTS) if finding.verdict is Verdict.FAILED]
    assert wrong == []


def test_another_version_is_a_warning_that_names_the_pin(tmp_path: Path) -> None:
    path = tmp_path / "constraints.txt"
    path.write_text("numpy==0.1\npluggy==0.2\n")
    found = {finding.name: finding for finding in check_packages(path)}
    numpy, pluggy = importlib.metadata.version("numpy"), importlib.metadata.version("pluggy")
    assert (found["numpy"].verdict, found["numpy"].detail) == (Verdict.WARNING, f"{numpy}, but tested with 0.1")
    assert found["other packages"].detail == f"pluggy {pluggy} (pinned 0.2)"
    assert found["ray"].verdict is Verdict.OK


def test_an_old_python_is_refused() -> None:
    assert [finding.verdict for finding in check_python((3, 10))] == [Verdict.FAILED]
    assert [finding.verdict for finding in check_python((3, 11))] == [Verdict.OK]


def test_little_memory_is_a_warning() -> None:
    assert check_memory(8 * _GIB, 1 * _GIB).verdict is Verdict.WARNING
    assert check_memory(8 * _GIB, 6 * _GIB).verdict is Verdict.OK
    assert "--shm-size" in check_shared_memory(8 * _GIB, 64 * 1024**2).detail
    assert check_shared_memory(8 * _GIB, 4 * _GIB).verdict is Verdict.OK


def test_an_engine_that_cannot_load_fails_with_its_reason() -> None:
    def broken() -> object:
        raise EngineUnavailable("no weights: pip install moonshine-voice")

    finding = check_engine("recognition", broken)
    assert finding.verdict is Verdict.FAILED
    assert finding.detail == "EngineUnavailable: no weights: pip install moonshine-voice"
    assert check_engine("recognition", object).verdict is Verdict.OK


def test_a_port_that_another_program_has_is_a_warning() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        finding = check_port("127.0.0.1", port)
    assert (finding.verdict, finding.name) == (Verdict.WARNING, f"port {port}")
    assert check_port("127.0.0.1", port).detail == "free on 127.0.0.1"
