"""The load test itself, short, against the service: every API, webhooks and sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from load_tests.load.plan import DEFAULT_FILES, LiveApi
from tests.cluster.service import RunningService

pytestmark = pytest.mark.cluster

APIS = ",".join(api.value for api in DEFAULT_FILES)
CALLERS = len(DEFAULT_FILES)


def test_a_short_load_uses_every_api_and_its_report_is_right(service: RunningService, tmp_path: Path) -> None:
    """As many callers as APIs, and APIs are dealt like cards: each is used, however slow the machine."""
    # A process of its own: locust replaces the sockets and threads of the one that it is in.
    options = f"--levels {CALLERS} --step-s 5 --files {APIS} --lengths 2:3,8 --live-streams {len(LiveApi)}"
    ended = subprocess.run(
        [sys.executable, "-m", "load_tests.load", "--server", service.url, "--results", tmp_path, *options.split()],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (path,) = tmp_path.glob("load-*.json")
    report = json.loads(path.read_text())
    (step,) = report["steps"]
    assert report["is_whole"]
    assert report["skipped"] == []
    assert (step["failed"], step["refused"]) == ([], [])
    (caller,) = report["callers"]
    assert caller["done"] >= CALLERS + len(LiveApi)
    assert step["audio_s_per_s"] > 0
    assert report["webhooks"]["accepted"] == report["webhooks"]["delivered"] >= 1
    assert [row["api"] for row in step["live"]] == sorted(LiveApi)
    assert sum(row["utterances"] for row in step["live"]) > 0
    assert sum(row["missed"] for row in step["live"]) == 0
    assert all(row["latency"]["p50_s"] <= row["latency"]["longest_s"] for row in step["files"])
    assert step["cores"]["by_process"]["Recognizer"] >= 0
    assert "<polyline" in path.with_suffix(".html").read_text()
