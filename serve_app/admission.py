"""How many requests one ingress process holds at once. Limits for each user are another matter."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from deployments.errors import Overloaded

_RETRY_AFTER_S = 5.0


class Admission:
    """Counts requests from before their body is read until they are answered."""

    def __init__(self, max_requests: int, on_change: Callable[[int], None] = lambda _: None) -> None:
        """``on_change`` is told how many there are, from the beginning."""
        self._max_requests = max_requests
        self._on_change = on_change
        self._requests = 0
        on_change(0)

    @property
    def places(self) -> int:
        """All of them."""
        return self._max_requests

    @property
    def taken(self) -> int:
        """Places that are held now."""
        return self._requests

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            Overloaded: all places are taken; nothing was read yet, so that a crowd costs no memory.
        """
        if self._requests >= self._max_requests:
            raise Overloaded("The service is at capacity", _RETRY_AFTER_S)
        self._move(1)
        try:
            yield
        finally:
            self._move(-1)

    def _move(self, by: int) -> None:
        self._requests += by
        self._on_change(self._requests)
