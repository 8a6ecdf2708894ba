"""How commands print rows of text."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_UNBOUNDED = 10_000


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int = 0) -> None:
    """Print to stdout; the last ``numbers`` columns stand to the right.

    Nothing is cut: an id that was shortened is of no use, and who pipes a table into another program wants all of it.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for index, heading in enumerate(headings):
        table.add_column(
            heading, justify="right" if index >= len(headings) - numbers else "left", overflow="fold", min_width=8
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else _UNBOUNDED, highlight=False).print(table)
