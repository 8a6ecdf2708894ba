"""Our diarization on one thread against the library's on all cores, on the same recordings."""

from __future__ import annotations

import time

from load_tests.engines import Diarizer
from load_tests.library_baseline import Library, LibraryMode
from load_tests.report import Column, Table
from load_tests.throughput import Load

_WARM_UP_SAMPLES = 16_000


def up_to(load: Load, most_s: float) -> Load:
    """The first recordings that fit; always at least one."""
    kept, total_s = 0, 0.0
    for recording in load.recordings:
        total_s += recording.duration_s
        if kept and total_s > most_s:
            break
        kept += 1
    return Load(load.recordings[:kept], load.files[:kept], load.samples[:kept])


def diarization_speed_table(diarizer: Diarizer, library: Library, load: Load) -> Table:
    """Alternate between both, recording by recording."""
    diarizer.diarize(load.samples[0][:_WARM_UP_SAMPLES])
    library.transcribe(load.samples[0][:_WARM_UP_SAMPLES], LibraryMode.SPEAKERS_ONLY)
    ours_s, ours_cpu_s, library_s, library_cpu_s = [], [], [], []
    for samples in load.samples:
        wall_start_s, cpu_start_s = time.perf_counter(), time.process_time()
        diarizer.diarize(samples)
        ours_s.append(time.perf_counter() - wall_start_s)
        ours_cpu_s.append(time.process_time() - cpu_start_s)
        result = library.transcribe(samples, LibraryMode.SPEAKERS_ONLY)
        library_s.append(result.wall_s)
        library_cpu_s.append(result.cpu_s)
    total_s = load.audio_s
    ratio, cpu_ratio = sum(library_s) / sum(ours_s), _quotient(sum(library_cpu_s), sum(ours_cpu_s))
    return Table(
        "Diarization speed: ours on one thread against the raw library",
        (Column("system"), Column("wall s"), Column("× real time"), Column("CPU s")),
        (
            ("ours", sum(ours_s), total_s / sum(ours_s), sum(ours_cpu_s)),
            ("library", sum(library_s), total_s / sum(library_s), sum(library_cpu_s)),
            ("ratio", ratio, ratio, cpu_ratio),
        ),
        f"{_names(load)}: {total_s:.0f} s of audio. Library: identify_speakers and skip_transcription.",
    )


def _names(load: Load) -> str:
    return ", ".join(recording.name for recording in load.recordings)


def _quotient(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator else None
