"""The recordings with ground truth, where they lie beside the checkout (or $RAYSCRIBE_AUDIO says where)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jiwer
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from tests.cluster.service import RunningService

FOLDER = Path(os.environ.get("RAYSCRIBE_AUDIO") or Path(__file__).parents[3] / "shared" / "audio")

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not (FOLDER / "manifest.jsonl").is_file(), reason="the recordings are not on this machine"),
]


def recordings(kind: str) -> Iterator[dict[str, Any]]:
    with (FOLDER / "manifest.jsonl").open() as manifest:
        yield from (entry for entry in map(json.loads, manifest) if entry["kind"] == kind)


def listen(service: RunningService, entry: dict[str, Any]) -> Any:
    return service.listen((FOLDER / entry["file"]).read_bytes())


def test_every_container_says_the_same(service: RunningService) -> None:
    normalise = EnglishTextNormalizer()
    truth, heard = [], []
    for entry in recordings("format"):
        if not Path(entry["file"]).name.startswith("m-") or entry["file"].endswith(".g722"):  # g722 has no header
            continue
        response = listen(service, entry)
        assert response.status_code == 200, entry["file"]
        assert response.json()["duration"] == pytest.approx(entry["duration_s"], abs=0.2), entry["file"]
        truth.append(normalise(entry["text"]))
        heard.append(normalise(response.json()["text"]))
    assert len(truth) > 20
    assert jiwer.wer(truth, heard) < 0.2


@pytest.mark.parametrize("kind", ["noise", "silence"])
def test_no_words_where_nobody_speaks(service: RunningService, kind: str) -> None:
    invented = {entry["file"]: listen(service, entry).json()["text"] for entry in recordings(kind)}
    assert len(invented) >= 5
    assert {file: text for file, text in invented.items() if text} == {}


def test_damaged_files_end_as_they_should(service: RunningService) -> None:
    for entry in recordings("corrupt"):
        response = listen(service, entry)
        codes = [warning["code"] for warning in response.json().get("warnings", [])]
        match entry["expect"]:
            case "error":
                assert response.status_code == 415, entry["file"]
            case "partial":
                assert response.status_code == 200, entry["file"]
                assert "audio_truncated" in codes, entry["file"]
            case "whole text":
                assert response.status_code == 200, entry["file"]
                assert codes == [], entry["file"]
            case _:
                assert response.status_code == 415 or response.json()["text"] == "", entry["file"]


def test_a_known_conversation_has_its_speakers(service: RunningService) -> None:
    for entry in recordings("conversation"):
        if entry["file"] != "conversation/dlg-3spk.ogg":
            continue
        answer = service.listen((FOLDER / entry["file"]).read_bytes(), diarize="true").json()
        assert len({turn["speaker"] for turn in answer["speakers"]}) == entry["speakers"]
