"""The recordings that are measured on, with what is known to be true of each."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
DEFAULT_AUDIO_FOLDER = CHECKOUT.parent / "shared" / "audio"
WHEEL_KIND = "wheel"
_WHEEL_RECORDINGS = ("two_cities.wav", "beckett.wav")


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word as spoken; times in seconds from the start of the recording."""

    text: str
    start_s: float
    end_s: float
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """One file and its truth. ``text`` is None where no transcript can be trusted and empty where nobody speaks.

    ``rttm`` holds annotated segments, ``rttm_words`` (AMI) only the words, as the usual AMI scoring does;
    ``words_file`` (AMI) has each word with its time and speaker. ``snr_db`` is that of the mixture.
    """

    name: str
    path: Path
    sha256: str
    kind: str
    language: str | None
    duration_s: float
    text: str | None = None
    rttm: Path | None = None
    rttm_words: Path | None = None
    words_file: Path | None = None
    snr_db: float | None = None

    def read(self) -> bytes:
        """The file as it is."""
        return self.path.read_bytes()

    def words(self) -> tuple[TimedWord, ...]:
        """The true words in order of time; none where their times are not known."""
        if self.words_file is None:
            return ()
        entries = json.loads(self.words_file.read_text())
        words = (TimedWord(entry["word"], entry["start"], entry["end"], entry["speaker"]) for entry in entries)
        return tuple(sorted(words, key=lambda word: (word.start_s, word.end_s)))


def find_audio_folder(asked: Path | None) -> Path | None:
    """The folder asked for, else the one beside the checkout, else None.

    Raises:
        FileNotFoundError: the folder asked for has no manifest.
    """
    folder = asked or DEFAULT_AUDIO_FOLDER
    if (folder / "manifest.jsonl").is_file():
        return folder
    if asked is not None:
        raise FileNotFoundError(f"{asked} has no manifest.jsonl")
    return None


def read_manifest(folder: Path) -> tuple[Recording, ...]:
    """All recordings of a folder whose files are whole enough to have a length."""
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    entries = (json.loads(line) for line in lines if line.strip())
    return tuple(_recording(folder, entry) for entry in entries if entry.get("duration_s"))


def _recording(folder: Path, entry: dict[str, Any]) -> Recording:
    def beside(key: str) -> Path | None:
        return folder / entry[key] if entry.get(key) else None

    return Recording(
        name=entry["file"],
        path=folder / entry["file"],
        sha256=entry["sha256"],
        kind=entry["kind"],
        language=entry["language"],
        duration_s=entry["duration_s"],
        text=entry["text"],
        rttm=beside("rttm"),
        rttm_words=beside("rttm_words"),
        words_file=beside("words"),
        snr_db=entry.get("snr_db"),
    )


def wheel_recordings() -> tuple[Recording, ...]:
    """Real speech inside the moonshine-voice wheel, which every installation has; its words are not stated."""
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or not spec.submodule_search_locations:
        return ()
    assets = Path(spec.submodule_search_locations[0]) / "assets"
    return tuple(_wheel_recording(assets / name) for name in _WHEEL_RECORDINGS if (assets / name).is_file())


def _wheel_recording(path: Path) -> Recording:
    from load_tests.decoding import decode

    data = path.read_bytes()
    return Recording(
        name=f"{WHEEL_KIND}/{path.name}",
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        kind=WHEEL_KIND,
        language="en",
        duration_s=decode(data).duration_s,
    )
