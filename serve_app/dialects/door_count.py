"""Who was let in, and who was turned away for which reason; noted on the span of the request as well."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from deployments.errors import RayscribeError
from deployments.signal_table import ADMITTED, REFUSED
from deployments.signals import Signals, failure_label
from deployments.tracing import annotate, mark, note_failure


class DoorCount:
    """Counts one request or socket: as let in, or as refused.

    Only one that was let in, and then brought more bytes than there was room for, is counted as both.
    """

    def __init__(self, signals: Signals, dialect: str) -> None:
        self._signals = signals
        self._dialect = dialect
        self._is_in = False
        self._is_refused = False

    @contextlib.contextmanager
    def at_the_door(self) -> Iterator[None]:
        """An error of the body before ``let_in`` is a refusal; a client that hangs up meanwhile is neither."""
        annotate(dialect=self._dialect)
        try:
            yield
        except RayscribeError as error:
            note_failure(error)
            if not self._is_in:
                self.refuse(error)
            raise

    def let_in(self) -> None:
        """It got in."""
        self._is_in = True
        mark("admitted")
        self._signals.count(ADMITTED, dialect=self._dialect)

    def refuse(self, error: RayscribeError) -> None:
        """It is turned away."""
        if not self._is_refused:
            self._is_refused = True
            self._signals.count(REFUSED, dialect=self._dialect, reason=failure_label(error))
