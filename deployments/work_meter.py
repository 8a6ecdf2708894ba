"""How much of a replica's engine is in use, and how much waits for it: what scaling goes by."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkStats:
    """What one replica has done since it began. Work is measured in seconds of audio, or in calls.

    Attributes:
        slots: pieces of work that the engine does at once.
        waiting: work that has been asked for and not begun.
        inside: calls that have been asked for and not ended.
        busy_s: seconds that slots were in use, all together, what has not ended included.
        worked_s: the same of what was finished, and ``done`` is how much work that was, of so many ``calls``.
        cpu_s: processor time of the whole process.
    """

    slots: int
    waiting: float
    inside: int
    busy_s: float
    worked_s: float
    done: float
    calls: int
    cpu_s: float


class BusyTime:
    """Seconds in which something was under way, times how many of it: the integral of a count. Not for two threads.

    It is told the time, so that several that are asked together are asked for one moment.
    """

    def __init__(self) -> None:
        self._count = 0
        self._until_s = 0.0
        self._total_s = 0.0

    def change(self, by: int, at_s: float) -> None:
        """So many more, or fewer, from then on."""
        self._total_s = self.total_s(at_s)
        self._until_s = at_s
        self._count += by

    def total_s(self, at_s: float) -> float:
        """Until then, which is no earlier than the last change."""
        return self._total_s + self._count * (at_s - self._until_s)


@dataclass(slots=True, eq=False)
class Piece:
    """A piece of work on its way through a WorkMeter."""

    amount: float
    waits: bool = True
    worked_s: float = 0.0
    resumed_s: float | None = None


class WorkMeter:
    """Counts work that waits for an engine and is done by it. Methods may be called from any thread."""

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` is in seconds."""
        self._slots = slots
        self._clock = clock
        self._lock = threading.Lock()
        self._busy = BusyTime()
        self._waiting = 0.0
        self._waiting_calls = 0
        self._running_calls = 0
        self._worked_s = 0.0
        self._done = 0.0
        self._calls = 0

    def asked(self, amount: float) -> Piece:
        """Work has come and waits."""
        with self._lock:
            self._waiting += amount
            self._waiting_calls += 1
        return Piece(amount)

    def begun(self, piece: Piece) -> None:
        """The engine works on it."""
        with self._lock:
            self._stop_waiting(piece)
            self._running_calls += 1
            self._resume(piece)

    def ended(self, piece: Piece, *, is_done: bool) -> None:
        """The engine is through with it, or has given it up."""
        with self._lock:
            self._running_calls -= 1
            self._pause(piece)
            if is_done:
                self._worked_s += piece.worked_s
                self._done += piece.amount
                self._calls += 1

    def paused(self, piece: Piece) -> None:
        """Other work has its turn."""
        with self._lock:
            self._pause(piece)

    def resumed(self, piece: Piece) -> None:
        """It has its turn again."""
        with self._lock:
            self._resume(piece)

    def left(self, piece: Piece) -> None:
        """Nobody waits for it any more; what has begun goes on until it ends."""
        with self._lock:
            self._stop_waiting(piece)

    @property
    def stats(self) -> WorkStats:
        """What waits now, and what was done until now."""
        with self._lock:
            return WorkStats(
                slots=self._slots,
                waiting=self._waiting,
                inside=self._waiting_calls + self._running_calls,
                busy_s=self._busy.total_s(self._clock()),
                worked_s=self._worked_s,
                done=self._done,
                calls=self._calls,
                cpu_s=time.process_time(),
            )

    def _resume(self, piece: Piece) -> None:
        piece.resumed_s = self._clock()
        self._busy.change(1, piece.resumed_s)

    def _pause(self, piece: Piece) -> None:
        now_s = self._clock()
        self._busy.change(-1, now_s)
        if piece.resumed_s is not None:
            piece.worked_s += now_s - piece.resumed_s
            piece.resumed_s = None

    def _stop_waiting(self, piece: Piece) -> None:
        if piece.waits:
            piece.waits = False
            self._waiting_calls -= 1
            # Floats added and taken away in another order leave a little, to either side.
            self._waiting = max(0.0, self._waiting - piece.amount)
