"""How often batches did not fit into a device's memory, in this process: from the engines to whoever tells of them.

Engines know nothing of signals, and it is far from the allocation that fails to the stage; a process has one stage.
"""

from __future__ import annotations

import threading


class ShortageCount:
    """Counts until it is asked. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self) -> None:
        """A batch did not fit."""
        with self._lock:
            self._count += 1

    def take(self) -> int:
        """How many did not since this was asked last."""
        with self._lock:
            count, self._count = self._count, 0
        return count


SHORTAGES = ShortageCount()
"""Of this process."""
