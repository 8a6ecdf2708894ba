"""Who was let in, and who was turned away for which reason."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from deployments.errors import RayscribeError
from deployments.signal_table import ADMITTED, REFUSED
from deployments.signals import Signals, failure_label


class DoorCount:
    """Counts one request or socket, once."""

    def __init__(self, signals: Signals, dialect: str) -> None:
        self._signals = signals
        self._dialect = dialect
        self._is_in = False

    @contextlib.contextmanager
    def at_the_door(self) -> Iterator[None]:
        """An error of the body before ``let_in`` is a refusal; a client that hangs up meanwhile is neither."""
        try:
            yield
        except RayscribeError as error:
            if not self._is_in:
                self._signals.count(REFUSED, dialect=self._dialect, reason=failure_label(error))
            raise

    def let_in(self) -> None:
        """It got in."""
        self._is_in = True
        self._signals.count(ADMITTED, dialect=self._dialect)
