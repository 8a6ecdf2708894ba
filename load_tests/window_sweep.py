"""How long recognition windows should be: errors and speed by the longest window, engines in process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from deployments.contracts import Samples, Waveform
from load_tests.engines import Chain
from load_tests.recordings import Recording
from load_tests.report import Cell, Column, Table
from load_tests.wer import WordErrors, count_word_errors

WINDOWS_S = (6.0, 10.0, 15.0, 20.0, 28.0, 40.0)
LONG_S = 40.0


def naturally_long(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """Recordings that are long by themselves, with known words."""
    return tuple(recording for recording in recordings if recording.duration_s >= LONG_S)


def window_table(chain: Chain, recordings: Sequence[tuple[str, Samples, str]]) -> Table:
    """One row for each longest window.

    Args:
        chain: its recogniser runs on what its gate finds.
        recordings: name, samples and true words of each.
    """
    gated = [(samples, chain.gate.inspect(Waveform(samples)).regions, text) for _, samples, text in recordings]
    audio_s = sum(Waveform(samples).duration_s for samples, _, _ in gated)
    rows: list[tuple[Cell, ...]] = []
    for longest_s in WINDOWS_S:
        default = chain.recogniser.windows
        windows = replace(default, longest_s=longest_s)
        errors = WordErrors()
        wall_start_s, cpu_start_s = time.perf_counter(), time.process_time()
        for samples, regions, text in gated:
            errors += count_word_errors(text, chain.recogniser.transcribe(samples, regions, windows))
        wall_s, cpu_s = time.perf_counter() - wall_start_s, time.process_time() - cpu_start_s
        rows.append(
            (
                longest_s,
                errors.percent,
                errors.substitutions,
                errors.deletions,
                errors.insertions,
                audio_s / wall_s,
                audio_s / cpu_s,
            )
        )
    return Table(
        "Longest recognition window",
        (
            Column("window s", digits=0),
            Column("WER %", digits=2),
            Column("substituted"),
            Column("deleted"),
            Column("inserted"),
            Column("× real time"),
            Column("× CPU time"),
        ),
        tuple(rows),
        f"{', '.join(name for name, _, _ in recordings)}: {audio_s / 60:.1f} minutes; recognition alone, "
        "regions from the gate. A window is cut no earlier than at two fifths of its length.",
    )
