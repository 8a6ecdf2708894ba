"""Live speech at its own pace: how soon words come, for how many at once, for how long, and how right they are."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from load_tests.exclusions import read_speech
from load_tests.hardware import read_hardware
from load_tests.live_accuracy import hear_twice, live_error_table
from load_tests.live_endurance import endurance_table, endure, memory_table
from load_tests.live_load import FINAL_LIMIT_S, LoadRun, cores_table, largest_in_time, load_table, run_streams, search
from load_tests.live_speech import PAUSE_S, SpokenClip, clips_of
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
from load_tests.recordings import Recording, wheel_recordings
from load_tests.report import Report, wide_console
from load_tests.service import Service, service_or_exit
from serve_app.live.contracts import END_SILENCE_S

_END_SILENCE_MS = round(END_SILENCE_S * 1000)
# The service's own, that of most services, and that of the vendor.
_END_SILENCES_MS = (_END_SILENCE_MS, 500, 800)
_WARM_UP_S = 12.0
_WARM_UP_MINUTES = 5.0
_HOW = (
    f"Real clips with pauses of {PAUSE_S:g} s. first text: from the first sound of an utterance; partials: from their "
    "last word; finals: from the true end of the utterance, waiting for silence included."
)

SecondsOption = Annotated[float, typer.Option("--seconds", min=20.0, help="Length of each stream of the latency runs.")]
StreamsOption = Annotated[int, typer.Option("--max-streams", min=0, help="The most streams to try; 0 leaves it out.")]
MinutesOption = Annotated[
    float, typer.Option("--minutes", min=0.0, max=60.0, help="Length of the long stream; 0 leaves it out.")
]
SilenceOption = Annotated[
    int, typer.Option("--end-silence-ms", min=100, max=10_000, help="Silence that ends an utterance, where many speak.")
]
WordErrorsOption = Annotated[bool, typer.Option("--word-errors/--no-word-errors", help="Measure word errors, too.")]


def live(
    server: ServerOption = DEFAULT_SERVER,
    start: StartOption = False,
    audio: AudioOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    limit: LimitOption = None,
    seconds: SecondsOption = 60.0,
    max_streams: StreamsOption = 50,
    minutes: MinutesOption = 60.0,
    end_silence_ms: SilenceOption = _END_SILENCE_MS,
    word_errors: WordErrorsOption = True,
) -> None:
    """Latency, number of streams, an hour's memory and word errors of the live socket. An hour and a half."""
    console = wide_console()
    report = Report("live", read_hardware())
    recordings, missing = recordings_in(audio)
    read = read_speech(recordings)[:limit]
    clips = clips_of(read or wheel_recordings())
    with service_or_exit(server, start=start) as service:
        run_streams(service.url, clips, 1, _WARM_UP_S, end_silence_ms)
        _measure_latency(report, service, clips, seconds, max_streams, end_silence_ms, console)
        if missing:
            report.skipped.append(f"word errors: {missing}; the speech of the moonshine-voice wheel serves")
        elif word_errors:
            _measure_words(report, service, read, console)
        if minutes:
            _measure_endurance(report, service, clips, minutes, end_silence_ms, console)
        else:
            report.skipped.append("the long stream: --minutes 0")
    report.publish(results, console)


def _measure_latency(
    report: Report,
    service: Service,
    clips: tuple[SpokenClip, ...],
    seconds: float,
    max_streams: int,
    end_silence_ms: int,
    console: Console,
) -> None:
    with console.status("One stream"):
        single = [run_streams(service.url, clips, 1, seconds, silence_ms) for silence_ms in _END_SILENCES_MS]
    report.tables.append(load_table("Latency of one stream, by the silence that ends an utterance", single, _HOW))
    _note_failures(report, single)
    if not max_streams:
        report.skipped.append("streams at once: --max-streams 0")
        return
    with console.status("More and more streams"):
        runs = search(
            partial(run_streams, service.url, clips, seconds=seconds, end_silence_ms=end_silence_ms), max_streams
        )
    found = f"{largest_in_time(runs)} streams are followed with finals under {FINAL_LIMIT_S:g} s at p95"
    at_least = "; more were not tried." if runs[-1].is_in_time else "."
    report.tables += [load_table("Latency by the number of streams", runs, found + at_least), cores_table(runs)]
    _note_failures(report, runs)


def _measure_words(report: Report, service: Service, read: tuple[Recording, ...], console: Console) -> None:
    with console.status("Word errors: clips are spoken at their own pace"):
        heard = hear_twice(service, read, _END_SILENCES_MS)
    report.tables.append(live_error_table(heard))
    report.clips += [one.as_row() for one in heard]
    report.skipped += [f"a clip that failed, {one.recording.name}: {why}" for one in heard for why in one.failures]


def _measure_endurance(
    report: Report,
    service: Service,
    clips: tuple[SpokenClip, ...],
    minutes: float,
    end_silence_ms: int,
    console: Console,
) -> None:
    with console.status(f"One stream of {minutes:g} minutes"):
        endured = endure(service.url, clips, minutes, end_silence_ms)
    report.tables.append(endurance_table(endured))
    if endured.log.failure:
        report.skipped.append(f"the rest of the long stream, which broke off: {endured.log.failure}")
    if endured.memory:
        report.tables.append(memory_table(endured.memory, min(_WARM_UP_MINUTES, minutes / 2)))
    else:
        report.skipped.append("memory: the service's processes are not to be seen from here")


def _note_failures(report: Report, runs: list[LoadRun]) -> None:
    report.skipped += [
        f"one of {run.streams} streams, which failed: {failure}" for run in runs for failure in run.failures[:3]
    ]


if __name__ == "__main__":
    typer.run(live)
