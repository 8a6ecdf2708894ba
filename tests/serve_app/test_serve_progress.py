from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from serve_app.commands.serve_progress import PlainView, TerminalView, progress_view, ready_lines
from serve_app.launcher import DeploymentProgress, DeploymentState, Phase, Progress

pytestmark = pytest.mark.unit

_STARTING = Progress(
    Phase.STARTING_DEPLOYMENTS,
    (
        DeploymentProgress("Decoder", DeploymentState.STARTING, 0, 0),
        DeploymentProgress("Recognizer", DeploymentState.STARTING, 1, 2),
    ),
)
_READY = Progress(
    Phase.STARTING_DEPLOYMENTS,
    (
        DeploymentProgress("Decoder", DeploymentState.READY, 1, 1),
        DeploymentProgress("Recognizer", DeploymentState.READY, 2, 2),
    ),
)


def test_plain_lines_say_each_change_once(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView()
    for progress in (Progress(Phase.STARTING_RAY), _STARTING, _STARTING, _READY, _READY):
        view.show(progress)
    assert capsys.readouterr().out.splitlines() == [
        "starting Ray …",
        "starting deployments …",
        "Recognizer: starting, 1 of 2",
        "Decoder: ready, 1 of 1",
        "Recognizer: ready, 2 of 2",
    ]


def test_errors_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    PlainView().error("no weights")
    assert capsys.readouterr() == ("", "no weights\n")


def test_the_terminal_shows_one_line_for_each_deployment_and_then_how_to_use_it() -> None:
    screen = io.StringIO()
    view = TerminalView(Console(file=screen, force_terminal=True, width=40, color_system=None))
    view.show(Progress(Phase.STARTING_RAY))
    view.show(_STARTING)
    view.show(_READY)
    view.ready("http://127.0.0.1:7100", 12.3, needs_key=False)
    view.close()
    text = screen.getvalue()
    assert "Decoder     ready  1 of 1" in text
    assert "Recognizer  ready  2 of 2" in text
    # In one piece although the screen is narrow: it is to be copied.
    assert ready_lines("http://127.0.0.1:7100", 12.3, needs_key=False)[1] in text


def test_the_curl_line_is_complete() -> None:
    assert ready_lines("http://127.0.0.1:7100", 12.3, needs_key=False) == [
        "Ready after 12 s on http://127.0.0.1:7100. Try:",
        "  curl -F audio=@recording.wav -F timestamps=true -F diarize=true http://127.0.0.1:7100/v1/listen",
        "Ctrl-C stops it.",
    ]


def test_a_pipe_gets_plain_lines() -> None:
    with progress_view() as view:
        assert isinstance(view, PlainView)


def test_a_reader_that_leaves_disturbs_nothing() -> None:
    program = (
        "import sys\n"
        "from serve_app.commands.serve_progress import PlainView\n"
        "view = PlainView()\n"
        "sys.stdin.read()\n"
        "for _ in range(3): view.note('hello')\n"
        "print('went on', file=sys.stderr)\n"
    )
    read_fd, write_fd = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=write_fd, stderr=subprocess.PIPE, text=True
    )
    os.close(write_fd)
    os.close(read_fd)
    _, stderr = process.communicate("")
    assert (process.returncode, stderr) == (0, "went on\n")


def test_the_line_to_paste_has_a_place_for_a_key_where_one_is_needed() -> None:
    line = ready_lines("http://127.0.0.1:7100", 12.3, needs_key=True)[1]
    assert '-H "Authorization: Bearer $RAYSCRIBE_API_KEY"' in line
