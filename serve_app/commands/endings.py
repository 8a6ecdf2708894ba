"""How commands that write transcripts to stdout end when they are interrupted."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import typer


@contextlib.contextmanager
def quiet_endings() -> Iterator[None]:
    """Ctrl-C is the exit code 130, and a reader of stdout that has seen enough is 1; no traceback tells of either."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:
        # Without this the interpreter complains when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
