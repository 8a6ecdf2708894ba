"""Draw the start-up: a live table on a terminal, a line for every change elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from serve_app.launcher import DeploymentProgress, DeploymentState, Phase, Progress

_STYLES = {DeploymentState.STARTING: "yellow", DeploymentState.READY: "green", DeploymentState.FAILED: "red"}


class ProgressView(Protocol):
    """Where the start-up is shown."""

    def show(self, progress: Progress) -> None:
        """Show the latest state."""

    def ready(self, url: str, elapsed_s: float, *, needs_key: bool) -> None:
        """Say that it is ready, and how to use it."""

    def note(self, text: str) -> None:
        """Say something in passing."""

    def error(self, text: str) -> None:
        """Say why it does not go on."""


def ready_lines(url: str, elapsed_s: float, *, needs_key: bool) -> list[str]:
    """What somebody needs who has just started the service."""
    key = '-H "Authorization: Bearer $RAYSCRIBE_API_KEY" ' if needs_key else ""
    return [
        f"Ready after {elapsed_s:.0f} s on {url}. Try:",
        f"  curl {key}-F audio=@recording.wav -F timestamps=true -F diarize=true {url}/v1/listen",
        "Ctrl-C stops it.",
    ]


class PlainView:
    """One line for every change, for logs and pipes. Goes on in silence when nobody reads any more."""

    def __init__(self) -> None:
        self._last = Progress(Phase.STARTING_RAY)
        self._said: set[str] = set()

    def show(self, progress: Progress) -> None:
        """Print what is new."""
        decided = [deployment for deployment in progress.deployments if deployment.wanted]
        for line in [f"{progress.phase.value} …", *map(deployment_line, decided)]:
            if line not in self._said:
                self._said.add(line)
                self.note(line)

    def ready(self, url: str, elapsed_s: float, *, needs_key: bool) -> None:
        """Print how to use it."""
        for line in ready_lines(url, elapsed_s, needs_key=needs_key):
            self.note(line)

    def note(self, text: str) -> None:
        """Print a line on stdout."""
        _print(text, to_stderr=False)

    def error(self, text: str) -> None:
        """Print on stderr."""
        _print(text, to_stderr=True)


class TerminalView:
    """A table that changes in place until the service is ready."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=8, transient=False)

    def show(self, progress: Progress) -> None:
        """Redraw."""
        if not self._live.is_started:
            self._live.start()
        self._live.update(render(progress))

    def ready(self, url: str, elapsed_s: float, *, needs_key: bool) -> None:
        """End the table and print how to use it."""
        self._live.stop()
        for line in ready_lines(url, elapsed_s, needs_key=needs_key):
            # No wrapping and no markup: the line is to be copied.
            self._console.print(Text(line), soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a line, above the table if that is still there."""
        self._console.print(Text(text), soft_wrap=True)

    def error(self, text: str) -> None:
        """End the table and print."""
        self._live.stop()
        self._console.print(Text(text, style="red"), soft_wrap=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._live.stop()


def deployment_line(deployment: DeploymentProgress) -> str:
    """``Recognizer: starting, 0 of 1``."""
    return f"{deployment.name}: {deployment.state.value}, {deployment.running} of {deployment.wanted or '?'}"


def render(progress: Progress) -> Group:
    """A table with one line for each deployment, under what is being waited for."""
    table = Table.grid(padding=(0, 2))
    for deployment in progress.deployments:
        state = Text(deployment.state.value, style=_STYLES[deployment.state])
        table.add_row(f"  {deployment.name}", state, f"{deployment.running} of {deployment.wanted or '?'}")
    is_done = bool(progress.deployments) and all(
        deployment.state is DeploymentState.READY for deployment in progress.deployments
    )
    heading = Text("all deployments ready") if is_done else Spinner("dots", progress.phase.value)
    return Group(heading, table)


@contextlib.contextmanager
def progress_view() -> Iterator[ProgressView]:
    """The view that suits stdout."""
    if not sys.stdout.isatty():
        yield PlainView()
        return
    view = TerminalView(Console())
    try:
        yield view
    finally:
        view.close()


def _print(text: str, *, to_stderr: bool) -> None:
    stream = sys.stderr if to_stderr else sys.stdout
    try:
        print(text, file=stream, flush=True)
    except (OSError, ValueError):
        # The reader is gone; without this the interpreter fails once more when it flushes at exit.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
