"""Accuracy beside the raw library: word errors, speakers, word times, invented words, signal-to-noise ratio."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from load_tests.engines import Diarizer, Gate, embedded_settings
from load_tests.exclusions import exclusions_among
from load_tests.hardware import read_hardware
from load_tests.library_baseline import CachedLibrary, Library
from load_tests.options import (
    DEFAULT_RESULTS,
    DEFAULT_SERVER,
    AudioOption,
    DiarizationMinutesOption,
    LimitOption,
    ResultsOption,
    ServerOption,
    StartOption,
    limited,
    recordings_in,
)
from load_tests.recordings import Recording
from load_tests.report import Column, Report, Table, wide_console
from load_tests.service import Service, service_or_exit
from load_tests.snr_accuracy import snr_table
from load_tests.speaker_accuracy import bounded, diarization_table, hear_speakers, meeting_table, rows_by_recording
from load_tests.word_accuracy import doubts_table, hear_words, invented_words_table, with_words, word_error_table

FreshOption = Annotated[
    bool, typer.Option("--fresh", help="Run the library again where its results are in the results folder.")
]


def accuracy(
    server: ServerOption = DEFAULT_SERVER,
    start: StartOption = False,
    audio: AudioOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    limit: LimitOption = None,
    diarization_minutes: DiarizationMinutesOption = None,
    fresh: FreshOption = False,
) -> None:
    """Word and speaker errors of the served API beside those of the raw library."""
    console = wide_console()
    report = Report("accuracy", read_hardware())
    recordings, missing = recordings_in(audio)
    if missing:
        report.skipped.append(f"all of accuracy: {missing}, and no other recording here comes with its truth")
    else:
        with service_or_exit(server, start=start) as service, Library() as library:
            cached = CachedLibrary(library, results / "library", fresh=fresh)
            _measure(report, service, cached, limited(recordings, limit), diarization_minutes, console)
    report.publish(results, console)


def _measure(
    report: Report,
    service: Service,
    library: CachedLibrary,
    recordings: tuple[Recording, ...],
    diarization_minutes: float | None,
    console: Console,
) -> None:
    settings = embedded_settings()
    with console.status("Listening to words"):
        heard = hear_words(service, library, with_words(recordings))
    report.tables += [word_error_table(heard), invented_words_table(heard), doubts_table(heard)]
    report.clips += [one.as_row() for one in heard]
    marked = bounded(recordings, diarization_minutes)
    left_out = sum(1 for recording in recordings if recording.rttm) - len(marked)
    if left_out:
        report.skipped.append(f"{left_out} recordings with known speakers: more than --diarization-minutes")
    with console.status("Listening to speakers; the library takes 1.5 times the length of the audio"):
        speakers = hear_speakers(service, library, Diarizer(), marked)
    report.tables += [diarization_table(speakers), meeting_table(speakers)]
    report.clips += rows_by_recording(speakers)
    with console.status("Measuring noise"):
        report.tables.append(snr_table(Gate(settings), recordings))
    report.tables.append(
        Table("Left out of word errors", (Column("recording"), Column("reason")), exclusions_among(recordings))
    )


if __name__ == "__main__":
    typer.run(accuracy)
