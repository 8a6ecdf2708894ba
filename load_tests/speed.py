"""Speed as ratios, in one run on the same cores: throughput, diarization, latency, and where the time goes."""

from __future__ import annotations

from typing import Annotated

import typer

from load_tests.diarization_speed import diarization_speed_table, up_to
from load_tests.engines import Chain, Diarizer, embedded_settings
from load_tests.hardware import read_hardware
from load_tests.latency import CLIP_S, five_seconds, latency_table
from load_tests.library_baseline import Library
from load_tests.options import (
    DEFAULT_RESULTS,
    DEFAULT_SERVER,
    AudioOption,
    DiarizationMinutesOption,
    LimitOption,
    ResultsOption,
    ServerOption,
    StartOption,
    recordings_in,
)
from load_tests.recordings import Recording, wheel_recordings
from load_tests.report import Report, wide_console
from load_tests.service import Service, service_or_exit
from load_tests.throughput import Load, alternate, cpu_table, load_of, throughput_table

# One request longer than this would be the tail of the whole round.
_LONGEST_READ_S = 40.0
_WHEEL_REPEATS = 8
_DIARIZATION_MINUTES = 2.5

RoundsOption = Annotated[int, typer.Option("--rounds", min=2, help="Turns of the service and the library.")]
CallsOption = Annotated[int, typer.Option("--calls", min=10, help="Calls of the latency measurement.")]


def speed(
    server: ServerOption = DEFAULT_SERVER,
    start: StartOption = False,
    audio: AudioOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    limit: LimitOption = None,
    rounds: RoundsOption = 3,
    calls: CallsOption = 30,
    diarization_minutes: DiarizationMinutesOption = None,
) -> None:
    """Throughput, diarization and latency against the raw library and the bare engines."""
    console = wide_console()
    report = Report("speed", read_hardware())
    recordings, missing = recordings_in(audio)
    if missing:
        report.skipped.append(f"read and conversation recordings: {missing}; those of the moonshine-voice wheel serve")
        recordings = wheel_recordings()
    most_minutes = _DIARIZATION_MINUTES if diarization_minutes is None else diarization_minutes
    load = load_of(_read_speech(recordings, limit))
    with service_or_exit(server, start=start) as service, Library() as library:
        with console.status("Throughput: the service and the library take turns"):
            _measure_throughput(report, service, library, load, rounds)
        with console.status("Latency"):
            clip = five_seconds(max(load.samples, key=lambda samples: min(len(samples), int(CLIP_S * 16_000))))
            report.tables.append(latency_table(service, Chain(embedded_settings()), clip, calls))
        if most_minutes:
            with console.status("Diarization: the library takes 1.5 times the length of the audio"):
                talk = up_to(load_of(_conversations(recordings)), most_minutes * 60)
                report.tables.append(diarization_speed_table(Diarizer(), library, talk))
        else:
            report.skipped.append("diarization speed: --diarization-minutes 0")
    report.publish(results, console)


def _measure_throughput(report: Report, service: Service, library: Library, load: Load, rounds: int) -> None:
    measured = alternate(service, library, load, rounds)
    report.tables.append(throughput_table(measured))
    by_process = cpu_table(measured)
    if by_process.rows:
        report.tables.append(by_process)
    else:
        report.skipped.append("processor time by process: the service's processes are not to be seen from here")
    failures = [failure for served in measured.served for failure in served.failures]
    report.skipped += [f"a request of the load that failed: {failure}" for failure in failures[:5]]


def _read_speech(recordings: tuple[Recording, ...], limit: int | None) -> tuple[Recording, ...]:
    """Real read speech; the few recordings of the wheel are repeated, so that there is a load at all."""
    read = tuple(
        recording
        for recording in recordings
        if recording.kind == "read" and recording.language == "en" and recording.duration_s <= _LONGEST_READ_S
    )
    return (read or recordings * _WHEEL_REPEATS)[:limit]


def _conversations(recordings: tuple[Recording, ...]) -> tuple[Recording, ...]:
    return tuple(recording for recording in recordings if recording.kind == "conversation") or recordings


if __name__ == "__main__":
    typer.run(speed)
