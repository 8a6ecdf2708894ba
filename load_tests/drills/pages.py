"""A report as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from load_tests.report import Report, Table, shown


def save_page(report: Report, folder: Path) -> Path:
    """Write ``<folder>/<program>.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.program}.md"
    path.write_text("\n".join(_lines(report)) + "\n")
    return path


def _lines(report: Report) -> Iterator[str]:
    yield f"# {report.program}"
    yield ""
    yield report.hardware.line()
    for table in report.tables:
        yield from ("", f"## {table.title}", "")
        yield from _rows(table)
        if table.note:
            yield from ("", table.note)
    for reason in report.skipped:
        yield from ("", f"Skipped: {reason}")


def _rows(table: Table) -> Iterator[str]:
    yield _row([column.name for column in table.columns])
    yield _row(["---"] * len(table.columns))
    for row in table.rows:
        yield _row([shown(cell, column.digits) for cell, column in zip(row, table.columns, strict=True)])


def _row(cells: list[str]) -> str:
    escaped = [cell.replace("|", r"\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"
