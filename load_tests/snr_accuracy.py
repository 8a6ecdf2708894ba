"""How well the speech gate estimates the signal-to-noise ratio, engine in process."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from load_tests.decoding import decode
from load_tests.engines import Gate
from load_tests.recordings import Recording
from load_tests.report import Cell, Column, Table

_LEVEL_DB = 5.0


def snr_table(gate: Gate, recordings: Sequence[Recording]) -> Table:
    """Median absolute error by true level, rounded to five decibels."""
    errors_db: dict[float, list[float | None]] = {}
    for recording in recordings:
        if recording.snr_db is not None:
            found_db = gate.inspect(decode(recording.read())).snr_db
            level_db = _LEVEL_DB * round(recording.snr_db / _LEVEL_DB)
            error_db = None if found_db is None else found_db - recording.snr_db
            errors_db.setdefault(level_db, []).append(error_db)
    rows = [_row(f"{level_db:+.0f} dB", errors_db[level_db]) for level_db in sorted(errors_db)]
    if rows:
        rows.append(_row("all", [error for errors in errors_db.values() for error in errors]))
    return Table(
        "Signal-to-noise ratio of the noisy recordings",
        (
            Column("true level"),
            Column("recordings"),
            Column("no estimate"),
            Column("median |error| dB"),
            Column("median error dB"),
        ),
        tuple(rows),
    )


def _row(name: str, errors_db: Sequence[float | None]) -> tuple[Cell, ...]:
    known_db = [error_db for error_db in errors_db if error_db is not None]
    return (
        name,
        len(errors_db),
        len(errors_db) - len(known_db),
        statistics.median(map(abs, known_db)) if known_db else None,
        statistics.median(known_db) if known_db else None,
    )
