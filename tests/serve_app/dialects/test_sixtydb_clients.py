"""Clients as the vendor's documents show them, against the service over HTTP: curl, Python's requests, Node's fetch."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from tests.fakes.edge import Edge, FakeAccess
from tests.serve_app.dialects.edge_fixtures import serving

pytestmark = pytest.mark.unit

_FETCH = """
const [url, path] = process.argv.slice(1);
const fs = require("node:fs");
const form = new FormData();
form.append("file", new Blob([fs.readFileSync(path)]), "call.wav");
form.append("language", "en");
form.append("diarize", "true");
fetch(`${url}/stt`, {
  method: "POST",
  headers: { Authorization: "Bearer sk_live_good" },
  body: form,
}).then(async (answer) => console.log(JSON.stringify({ status: answer.status, body: await answer.json() })));
"""

service = serving(lambda: Edge(access=FakeAccess(key="sk_live_good")))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    path.write_bytes(b"some audio")
    return path


def test_curl(service: tuple[Edge, str], recording: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl on this machine")
    command = [curl, "-sS", "-X", "POST", f"{service[1]}/stt", "-H", "Authorization: Bearer sk_live_good"]
    fields = [f"file=@{recording}", "language=auto", "return_timestamps=word", "keywords=Rayscribe:3"]
    for field in fields:
        command += ["-F", field]
    output = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    answer = json.loads(output)
    assert answer["text"] == "Hello, there. Yes."
    assert answer["words"][0]["start"] == 0.1
    assert service[0].pipeline.audio[-1] == b"some audio"
    assert service[0].pipeline.requests[-1].vocabulary[0].weight == 3.0


def test_requests(service: tuple[Edge, str], recording: Path) -> None:
    headers = {"Authorization": "Bearer sk_live_good"}
    with recording.open("rb") as file:
        answer = requests.post(
            f"{service[1]}/stt",
            headers=headers,
            files={"file": file},
            data={"language": "en", "diarize": True, "include_confidence": "true"},
            timeout=60,
        )
    assert answer.status_code == 200
    assert answer.json()["segments"][0]["speakers"][0]["speaker"] == "SPEAKER_00"
    assert answer.json()["words"][0]["confidence"] == 0.9
    refused = requests.post(f"{service[1]}/stt", headers=headers, data={"language": "en"}, timeout=60)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "MISSING_PARAMETER")


def test_fetch(service: tuple[Edge, str], recording: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on this machine")
    command = [node, "-e", _FETCH, service[1], str(recording)]
    output = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    answer = json.loads(output)
    assert answer["status"] == 200
    assert [part["speakers"][0]["speaker"] for part in answer["body"]["segments"]] == ["SPEAKER_00", "SPEAKER_01"]
    assert service[0].pipeline.audio[-1] == b"some audio"
