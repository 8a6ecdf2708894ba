"""What the service writes into its log, kept."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


class _Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record)


@contextlib.contextmanager
def kept_lines() -> Iterator[list[logging.LogRecord]]:
    """The lines that are written while the context is open, those for debug as well."""
    logger, keeper = logging.getLogger("ray.serve"), _Keeper()
    level = logger.level
    logger.addHandler(keeper)
    logger.setLevel(logging.DEBUG)
    try:
        yield keeper.lines
    finally:
        logger.setLevel(level)
        logger.removeHandler(keeper)
