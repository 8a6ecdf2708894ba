"""Ctrl-C and SIGTERM as something to wait for.

Raising in the middle of ``ray.init`` leaves half-started processes behind, so the first signal is only noted, and
looked at between steps. The second one forces.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignal:
    """Catches SIGNALS while it is entered; only in the main thread."""

    def __init__(self, on_first: Callable[[int], None], on_second: Callable[[int], None]) -> None:
        """``on_first`` runs at the first signal, ``on_second`` at every later one; both get the signal's number."""
        self._on_first = on_first
        self._on_second = on_second
        self._received = False
        # A pipe and not threading.Event: an Event set in a handler deadlocks if the handler interrupted its own wait.
        self._read_fd, self._write_fd = os.pipe()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        # What nohup, or a shell's "&", has ignored stays ignored.
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        self._previous = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
        self.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        os.close(self._read_fd)
        os.close(self._write_fd)

    def install(self) -> None:
        """Take the signals (again: ``ray.init`` takes SIGTERM for itself)."""
        for number in self._previous:
            signal.signal(number, self._handle)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Sleep until a signal comes or the time is over; whether one came."""
        if not self._received:
            select.select([self._read_fd], [], [], timeout_s)
        return self._received

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._received:
            self._on_second(number)
            return
        self._received = True
        os.write(self._write_fd, b"!")
        self._on_first(number)
