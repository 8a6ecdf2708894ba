"""Tables for people and the same figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from load_tests.hardware import Hardware

Cell = str | int | float | None
_NOTHING = "–"
_LOG_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and how many digits its numbers are shown with; JSON keeps them whole."""

    name: str
    digits: int = 1


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as wide as the columns. None means: not measured, or not defined."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: a row of {len(row)} cells under {len(self.columns)} columns")


@dataclass(slots=True)
class Report:
    """What one program found. ``skipped`` says what was not measured, and why; ``clips`` holds it clip by clip."""

    program: str
    hardware: Hardware
    tables: list[Table] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    clips: list[dict[str, Cell]] = field(default_factory=list)

    def save(self, folder: Path) -> Path:
        """Write ``<folder>/<program>-<time>.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        moment = self.hardware.measured_at.replace("-", "").replace(":", "")
        path = folder / f"{self.program}-{moment}.json"
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")
        return path

    def publish(self, folder: Path, console: Console) -> None:
        """Show it, save it, and say where."""
        self.print(console)
        console.print(f"Saved {self.save(folder)}")

    def print(self, console: Console) -> None:
        """Show tables and what was skipped."""
        console.print(escape(self.hardware.line()), style="dim")
        for table in self.tables:
            console.print(_rich(table))
            if table.note:
                console.print(escape(table.note), style="dim")
        for reason in self.skipped:
            console.print(f"[yellow]Skipped:[/yellow] {escape(reason)}")


def wide_console() -> Console:
    """The terminal; where there is none (a log, a pipe), wide enough for the tables."""
    return Console() if Console().is_terminal else Console(width=_LOG_WIDTH)


def shown(cell: Cell, digits: int) -> str:
    """A cell as text."""
    if cell is None:
        return _NOTHING
    return f"{cell:,.{digits}f}" if isinstance(cell, float) else str(cell)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` of all values do not exceed; values must not be empty."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def _rich(table: Table) -> RichTable:
    drawn = RichTable(title=escape(table.title), title_justify="left")
    for index, column in enumerate(table.columns):
        is_text = any(isinstance(row[index], str) for row in table.rows)
        drawn.add_column(escape(column.name), justify="left" if is_text else "right")
    for row in table.rows:
        cells = (shown(cell, column.digits) for cell, column in zip(row, table.columns, strict=True))
        drawn.add_row(*(escape(cell) for cell in cells))
    return drawn
