"""The embedded profile, but for one thing: it may fetch from this machine, where the load test's own server is."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from serve_app.applications import service_application
from serve_app.serve_config import DEFAULT_CONFIG

_LOOPBACK = "127.0.0.0/8"


@contextlib.contextmanager
def fetching_from_loopback() -> Iterator[Path]:
    """A config file that is there while the block runs."""
    config = yaml.safe_load(DEFAULT_CONFIG.read_text(encoding="utf-8"))
    args = service_application(config["applications"]).setdefault("args", {})
    args["sources"] = {**args.get("sources", {}), "allowed_networks": [_LOOPBACK]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "load.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        yield path
