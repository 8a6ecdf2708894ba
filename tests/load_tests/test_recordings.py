from __future__ import annotations

import json
from pathlib import Path

import pytest

from load_tests.exclusions import EXCLUDED_FROM_WER, exclusions_among, scored_for_words
from load_tests.options import limited
from load_tests.recordings import Recording, find_audio_folder, read_manifest, wheel_recordings

pytestmark = pytest.mark.unit

SPOKEN: dict[str, object] = {
    "sha256": "0",
    "duration_s": 1.0,
    "kind": "read",
    "language": "en",
    "text": "well",
    "rttm": None,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    entries = [
        SPOKEN | {"file": "read/a.flac"},
        SPOKEN | {"file": "telephone/digits-theo.wav", "kind": "telephone"},
        SPOKEN | {"file": "read/es.flac", "language": "es"},
        SPOKEN | {"file": "read/unknown.flac", "text": None},
        SPOKEN | {"file": "noise/n.flac", "kind": "noise", "language": None, "text": ""},
        SPOKEN | {"file": "corrupt/x.wav", "duration_s": None},
        SPOKEN | {"file": "conversation/ami.flac", "rttm": "conversation/ami.rttm", "words": "conversation/ami.json"},
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(json.dumps(entry) for entry in entries) + "\n")
    (tmp_path / "conversation").mkdir()
    said = [
        {"start": 2.0, "end": 2.5, "speaker": "B", "word": "two"},
        {"start": 1.0, "end": 1.5, "speaker": "A", "word": "one"},
    ]
    (tmp_path / "conversation" / "ami.json").write_text(json.dumps(said))
    return tmp_path


def by_name(recordings: tuple[Recording, ...]) -> dict[str, Recording]:
    return {recording.name: recording for recording in recordings}


def test_broken_files_are_no_recordings(folder: Path) -> None:
    assert "corrupt/x.wav" not in by_name(read_manifest(folder))


def test_files_beside_a_recording_are_found_in_its_folder(folder: Path) -> None:
    meeting = by_name(read_manifest(folder))["conversation/ami.flac"]
    assert meeting.rttm == folder / "conversation" / "ami.rttm"
    assert [(word.text, word.speaker) for word in meeting.words()] == [("one", "A"), ("two", "B")]


def test_only_english_with_known_words_and_without_the_excluded_is_scored(folder: Path) -> None:
    recordings = read_manifest(folder)
    assert [recording.name for recording in scored_for_words(recordings)] == ["read/a.flac", "conversation/ami.flac"]
    assert [name for name, _ in exclusions_among(recordings)] == ["telephone/digits-theo.wav"]


def test_every_exclusion_has_a_reason() -> None:
    assert EXCLUDED_FROM_WER
    assert all(len(reason) > 20 for reason in EXCLUDED_FROM_WER.values())


def test_limit_is_for_each_kind(folder: Path) -> None:
    kept = limited(read_manifest(folder), 1)
    assert [recording.name for recording in kept] == ["read/a.flac", "telephone/digits-theo.wav", "noise/n.flac"]


def test_a_folder_asked_for_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="manifest"):
        find_audio_folder(tmp_path)


def test_the_wheel_has_speech_for_any_machine() -> None:
    recordings = by_name(wheel_recordings())
    assert recordings["wheel/two_cities.wav"].duration_s == pytest.approx(44.4, abs=1)
    assert recordings["wheel/two_cities.wav"].text is None
