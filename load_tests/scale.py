"""Scale: one minute to two hours of audio; time, memory, and words kept. And the choice of the window."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

import httpx
import typer
from rich.console import Console

from load_tests.engines import Chain, embedded_settings
from load_tests.exclusions import read_speech, scored_for_words
from load_tests.hardware import read_hardware
from load_tests.long_recordings import LongRecording, encode_opus, long_recording, parts_of
from load_tests.options import (
    DEFAULT_RESULTS,
    DEFAULT_SERVER,
    AudioOption,
    LimitOption,
    ResultsOption,
    ServerOption,
    StartOption,
    recordings_in,
)
from load_tests.processes import MemoryPeaks, ServiceNotLocal, find_service, watched_memory
from load_tests.recordings import Recording, wheel_recordings
from load_tests.report import Cell, Column, Report, Table, wide_console
from load_tests.service import ListenFailed, Service, service_or_exit
from load_tests.wer import count_word_errors
from load_tests.window_sweep import naturally_long, window_table

_MINUTES = (1.0, 10.0, 60.0, 120.0)
# Opus adds its delay; a file a little over the service's two hours would be refused.
_MARGIN_S = 2.0
_MIB = 2**20

MinutesOption = Annotated[list[float] | None, typer.Option("--minutes", help="Length; give it several times.")]
DiarizeMinutesOption = Annotated[
    float, typer.Option("--diarize-minutes", min=0.0, help="Longest recording that is sent with diarization, too.")
]
WindowSweepOption = Annotated[
    bool, typer.Option("--window-sweep", help="Instead: errors and speed by the length of recognition windows.")
]
SweepMinutesOption = Annotated[
    float, typer.Option("--sweep-minutes", min=0.5, help="Joined recordings that the window sweep runs on, besides.")
]


@dataclass(frozen=True, slots=True)
class ScaleRun:
    """One long recording through the service. ``failure`` is empty where it worked."""

    minutes: float
    diarized: bool
    size_bytes: int
    wall_s: float
    cpu_s: float | None
    wer_percent: float | None
    peaks: MemoryPeaks | None
    failure: str = ""


def scale(
    server: ServerOption = DEFAULT_SERVER,
    start: StartOption = False,
    audio: AudioOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    limit: LimitOption = None,
    minutes: MinutesOption = None,
    diarize_minutes: DiarizeMinutesOption = 60.0,
    window_sweep: WindowSweepOption = False,
    sweep_minutes: SweepMinutesOption = 5.0,
) -> None:
    """Wall time, memory and word errors from one minute to two hours."""
    console = wide_console()
    report = Report("windows" if window_sweep else "scale", read_hardware())
    recordings, missing = recordings_in(audio)
    if window_sweep:
        if missing:
            report.skipped.append(f"the window sweep: {missing}, and it needs recordings with known words")
        else:
            with console.status("Sweeping windows"):
                report.tables.append(_swept(recordings, sweep_minutes, limit))
    else:
        if missing:
            report.skipped.append(f"word errors: {missing}; the recordings of the moonshine-voice wheel serve")
        parts = read_speech(recordings)[:limit] if recordings else wheel_recordings()
        with service_or_exit(server, start=start) as service:
            _measure(report, service, parts, tuple(minutes or _MINUTES), diarize_minutes, console)
    report.publish(results, console)


def _measure(
    report: Report,
    service: Service,
    recordings: tuple[Recording, ...],
    lengths_min: tuple[float, ...],
    diarize_minutes: float,
    console: Console,
) -> None:
    idle = _idle_table(service.url)
    parts = parts_of(recordings)
    runs = []
    for length_min in sorted(lengths_min):
        with console.status(f"{length_min:g} minutes"):
            made = long_recording(parts, length_min * 60 - _MARGIN_S)
            data = encode_opus(made.samples)
            runs.append(_run(service, made, data, diarize=False))
            if length_min <= diarize_minutes:
                runs.append(_run(service, made, data, diarize=True))
            else:
                report.skipped.append(f"diarization of {length_min:g} minutes: more than --diarize-minutes")
    report.tables.append(_time_table(runs))
    if idle is None:
        report.skipped.append("memory: the service's processes are not to be seen from here")
    else:
        report.tables += [idle, _memory_table(runs)]
    report.skipped += [f"a run of {run.minutes:.0f} minutes that failed: {run.failure}" for run in runs if run.failure]


def _run(service: Service, made: LongRecording, data: bytes, *, diarize: bool) -> ScaleRun:
    try:
        cpu_before_s = _cpu_s(service.url)
        with watched_memory(service.url) as peaks:
            wall_s, text, failure = _listen(service, data, diarize=diarize)
        cpu_s: float | None = _cpu_s(service.url) - cpu_before_s
        seen: MemoryPeaks | None = peaks
    except ServiceNotLocal:
        wall_s, text, failure = _listen(service, data, diarize=diarize)
        cpu_s, seen = None, None
    wer = None if made.text is None or failure else count_word_errors(made.text, text).percent
    return ScaleRun(made.duration_s / 60, diarize, len(data), wall_s, cpu_s, wer, seen, failure)


def _listen(service: Service, data: bytes, *, diarize: bool) -> tuple[float, str, str]:
    """Wall seconds, the text, and what went wrong."""
    start_s = time.perf_counter()
    try:
        text, failure = service.listen(data, diarize=diarize).text, ""
    except (ListenFailed, httpx.HTTPError) as error:
        text, failure = "", f"{type(error).__name__}: {error}"
    return time.perf_counter() - start_s, text, failure


def _time_table(runs: list[ScaleRun]) -> Table:
    return Table(
        "Long recordings over HTTP, Ogg Opus",
        (
            Column("minutes", digits=0),
            Column("diarized"),
            Column("MB", digits=1),
            Column("wall s"),
            Column("× real time"),
            Column("wall s a minute", digits=2),
            Column("CPU s a minute", digits=2),
            Column("WER %", digits=1),
            Column("failed"),
        ),
        tuple(
            (
                run.minutes,
                "yes" if run.diarized else "no",
                run.size_bytes / 1e6,
                run.wall_s,
                run.minutes * 60 / run.wall_s,
                run.wall_s / run.minutes,
                None if run.cpu_s is None else run.cpu_s / run.minutes,
                run.wer_percent,
                "yes" if run.failure else "",
            )
            for run in runs
        ),
        "Linear means: the same wall seconds a minute from row to row.",
    )


def _memory_table(runs: list[ScaleRun]) -> Table:
    seen = [(run, run.peaks) for run in runs if run.peaks is not None]
    labels = sorted({label for _, peaks in seen for label in peaks.by_label})
    columns = (Column("process"), *(Column(_name(run), digits=0) for run, _ in seen))
    rows: list[tuple[Cell, ...]] = [
        (label, *(peaks.by_label.get(label, 0.0) / _MIB for _, peaks in seen)) for label in labels
    ]
    rows.append(("sum at one time", *(peaks.total / _MIB for _, peaks in seen)))
    return Table(
        "Peak resident memory in MiB, by process",
        columns,
        tuple(rows),
        "Pages of the object store count in every process that has touched them, so the sum overstates. d: diarized.",
    )


def _idle_table(url: str) -> Table | None:
    try:
        taken = find_service(url).pss_bytes()
    except ServiceNotLocal:
        return None
    rows: list[tuple[Cell, ...]] = [
        (label, size / _MIB) for label, size in sorted(taken.items(), key=lambda item: -item[1])
    ]
    return Table(
        "Proportional memory in MiB before the first recording of this run",
        (Column("process"), Column("MiB", digits=0)),
        (*rows, ("all", sum(taken.values()) / _MIB)),
        "Shared pages are divided among their processes: the sum is what the service takes.",
    )


def _name(run: ScaleRun) -> str:
    return f"{run.minutes:.0f} min{' d' if run.diarized else ''}"


def _cpu_s(url: str) -> float:
    return sum(find_service(url).cpu_s().values())


def _swept(recordings: tuple[Recording, ...], joined_minutes: float, limit: int | None) -> Table:
    spoken = tuple(one for one in scored_for_words(recordings) if one.kind in ("read", "conversation"))
    natural = naturally_long(spoken)[:limit]
    measured = [
        (one.name, samples, one.text or "") for one, (samples, _) in zip(natural, parts_of(natural), strict=True)
    ]
    joined = long_recording(parts_of(read_speech(recordings)[:limit]), joined_minutes * 60)
    measured.append(("read recordings joined", joined.samples, joined.text or ""))
    return window_table(Chain(embedded_settings()), measured)


if __name__ == "__main__":
    typer.run(scale)
