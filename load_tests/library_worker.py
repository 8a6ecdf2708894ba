"""The raw moonshine-voice library in a process of its own, because importing it loads audio-device libraries.

Reads one JSON request a line, ``{"mode", "samples_path"}``, and answers each with one line: see LibraryResult.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import moonshine_voice
import numpy as np
from moonshine_voice import ModelArch, Transcriber

MODE_OPTIONS: dict[str, dict[str, str]] = {
    "plain": {},
    "speakers": {"identify_speakers": "true"},
    "speakers_only": {"identify_speakers": "true", "skip_transcription": "true"},
}
_SAMPLE_RATE_HZ = 16_000


def main() -> None:
    """Serve requests until the input ends."""
    answers = _private_output()
    transcribers: dict[str, Transcriber] = {}
    for line in sys.stdin:
        request = json.loads(line)
        mode = request["mode"]
        if mode not in transcribers:
            model = Path(moonshine_voice.__file__).parent / "assets" / "tiny-en"
            transcribers[mode] = Transcriber(str(model), ModelArch.TINY, options=MODE_OPTIONS[mode])
        # The call takes a list; making it is the caller's business and not timed.
        samples = np.fromfile(request["samples_path"], np.float32).tolist()
        print(json.dumps(_transcribed(transcribers[mode], samples)), file=answers, flush=True)


def _transcribed(transcriber: Transcriber, samples: list[float]) -> dict[str, Any]:
    wall_start_s, cpu_start_s = time.perf_counter(), time.process_time()
    transcript = transcriber.transcribe_without_streaming(samples, _SAMPLE_RATE_HZ)
    wall_s, cpu_s = time.perf_counter() - wall_start_s, time.process_time() - cpu_start_s
    return {"wall_s": wall_s, "cpu_s": cpu_s, "lines": [_line(line) for line in transcript.lines]}


def _line(line: Any) -> dict[str, Any]:
    return {
        "text": line.text,
        "spans": [
            {
                "speaker": f"{span.speaker_index}",
                "start_s": span.start_time,
                "end_s": span.start_time + span.duration,
                "start_char": span.start_char,
                "end_char": span.end_char,
            }
            for span in line.speaker_spans or ()
        ],
    }


def _private_output() -> TextIO:
    """The standard output for answers alone: what the library itself prints goes to the error stream."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


if __name__ == "__main__":
    main()
