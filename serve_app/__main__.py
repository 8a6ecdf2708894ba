"""``python -m serve_app`` is ``rayscribe``."""

from __future__ import annotations

from serve_app.cli import app

app(prog_name="rayscribe")
