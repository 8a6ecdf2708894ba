"""The raw library beside which the service is measured: moonshine-voice's own Transcriber, as its API is called."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deployments.contracts import Samples, SpeakerTurn
from load_tests.hardware import installed_version


class LibraryMode(StrEnum):
    """How the library is asked: words; words with identify_speakers; the same with skip_transcription."""

    PLAIN = "plain"
    SPEAKERS = "speakers"
    SPEAKERS_ONLY = "speakers_only"


@dataclass(frozen=True, slots=True)
class LibrarySpan:
    """A stretch of a line with one speaker. The characters are 0, 0 where the library does not know them."""

    speaker: str
    start_s: float
    end_s: float
    start_char: int
    end_char: int


@dataclass(frozen=True, slots=True)
class LibraryLine:
    """A piece of speech as the library cut it."""

    text: str
    spans: tuple[LibrarySpan, ...]


@dataclass(frozen=True, slots=True)
class LibraryResult:
    """What came out, and the time that the call took (model loading and making of its input left out)."""

    wall_s: float
    cpu_s: float
    lines: tuple[LibraryLine, ...]

    @property
    def text(self) -> str:
        """All lines."""
        return " ".join(line.text for line in self.lines)

    @property
    def turns(self) -> tuple[SpeakerTurn, ...]:
        """Who speaks when."""
        return tuple(SpeakerTurn(span.speaker, span.start_s, span.end_s) for line in self.lines for span in line.spans)

    def text_by_speaker(self) -> dict[str, str]:
        """All that each speaker said. A line whose characters are not divided goes to whoever speaks longest in it."""
        texts: dict[str, list[str]] = {}
        for line in self.lines:
            for speaker, text in _attributed(line):
                texts.setdefault(speaker, []).append(text)
        return {speaker: " ".join(parts) for speaker, parts in texts.items()}


class Library:
    """The library in a subprocess, started when first asked. A context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(30)
        if self._folder is not None:
            self._folder.cleanup()

    def transcribe(self, samples: Samples, mode: LibraryMode) -> LibraryResult:
        """Transcribe one recording, mono at 16 kHz.

        Raises:
            RuntimeError: the library's process ended.
        """
        folder = self._folder = self._folder or tempfile.TemporaryDirectory(prefix="rayscribe-library-")
        path = Path(folder.name) / "samples.f32"
        samples.tofile(path)
        process = self._process = self._process or _start()
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the library's process has no pipes")
        print(json.dumps({"mode": mode.value, "samples_path": str(path)}), file=process.stdin, flush=True)
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the library's process ended with status {process.wait(30)}")
        return _result(json.loads(line))


class CachedLibrary:
    """Remembers results on disk, by the file's hash and the library's version: the library is slow.

    For accuracy alone; times are of the run that made the result.
    """

    def __init__(self, library: Library, folder: Path, *, fresh: bool) -> None:
        self._library = library
        self._folder = folder / f"moonshine-voice-{installed_version('moonshine-voice')}"
        self._fresh = fresh

    def transcribe(self, samples: Samples, sha256: str, mode: LibraryMode) -> LibraryResult:
        """As Library.transcribe, unless the result is known; ``fresh`` results replace known ones."""
        path = self._folder / mode.value / f"{sha256}.json"
        if path.is_file() and not self._fresh:
            return _result(json.loads(path.read_text()))
        result = self._library.transcribe(samples, mode)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(result)))
        return result


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "load_tests.library_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _result(answer: dict[str, Any]) -> LibraryResult:
    lines = tuple(
        LibraryLine(line["text"], tuple(LibrarySpan(**span) for span in line["spans"])) for line in answer["lines"]
    )
    return LibraryResult(answer["wall_s"], answer["cpu_s"], lines)


def _attributed(line: LibraryLine) -> list[tuple[str, str]]:
    if not line.spans:
        return [("", line.text)]
    if all(span.end_char > span.start_char for span in line.spans):
        return [(span.speaker, line.text[span.start_char : span.end_char]) for span in line.spans]
    longest = max(line.spans, key=lambda span: span.end_s - span.start_s)
    return [(longest.speaker, line.text)]
