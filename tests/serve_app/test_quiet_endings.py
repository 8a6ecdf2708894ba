from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit

PROGRAM = """
import typer
from serve_app.commands.endings import quiet_endings

def command() -> None:
    with quiet_endings():
        {does}

typer.run(command)
"""


def _started(does: str) -> subprocess.Popen[str]:
    """In a process of its own: what is closed is its stdout."""
    command = [sys.executable, "-c", PROGRAM.format(does=does)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_reader_that_has_seen_enough_is_no_accident() -> None:
    with _started("while True: print('a line')") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "a line\n"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_ctrl_c_is_its_exit_code_alone() -> None:
    with _started("raise KeyboardInterrupt") as process:
        assert process.communicate() == ("", "")
    assert process.returncode == 130
