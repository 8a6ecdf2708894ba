"""``python -m load_tests.load``: see --help, and docs/load.md."""

from __future__ import annotations

# First: it replaces sockets and threads, and whoever imports them earlier keeps the old ones.
import locust  # noqa: F401
import typer

from load_tests.load.program import load

if __name__ == "__main__":
    typer.run(load)
