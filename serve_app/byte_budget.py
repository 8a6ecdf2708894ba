"""How many bytes of recordings one ingress process holds at once, uploaded or fetched, in however many requests."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from deployments.errors import Overloaded

_RETRY_AFTER_S = 5.0


class ByteBudget:
    """Shared by the requests of a process, and by the threads that receive for them."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._lock = threading.Lock()

    @property
    def max_bytes(self) -> int:
        """All that there is room for."""
        return self._max_bytes

    @property
    def held_bytes(self) -> int:
        """By all requests together."""
        return self._held_bytes

    @contextlib.contextmanager
    def open_account(self, on_refusal: Callable[[Overloaded], None] = lambda _: None) -> Iterator[None]:
        """What this task, and those that it starts, receive from now on is held until the context ends.

        A thread that receives for it runs in its context (contextvars.copy_context). ``on_refusal`` is told each time
        that there is no room.
        """
        account = _Account(self, on_refusal)
        # It is not reset: a streamed answer ends in another context than it began in. A closed account counts nothing.
        _account.set(account)
        try:
            yield
        finally:
            account.close()

    def take(self, size_bytes: int) -> None:
        """Hold so many more.

        Raises:
            Overloaded: there is no room for them.
        """
        with self._lock:
            if self._held_bytes + size_bytes > self._max_bytes:
                raise Overloaded("The service is at capacity", _RETRY_AFTER_S)
            self._held_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Hold so many less."""
        with self._lock:
            self._held_bytes -= size_bytes


class _Account:
    """One request's bytes: ``_taken`` of the budget, of which ``_received`` have come."""

    def __init__(self, budget: ByteBudget, on_refusal: Callable[[Overloaded], None]) -> None:
        self._budget = budget
        self._on_refusal = on_refusal
        self._taken_bytes = 0
        self._received_bytes = 0
        self._is_open = True
        self._lock = threading.Lock()

    def expect(self, size_bytes: int) -> None:
        self._take_up_to(self._received_bytes + size_bytes)

    def receive(self, size_bytes: int) -> None:
        self._take_up_to(self._received_bytes + size_bytes)
        self._received_bytes += size_bytes

    def close(self) -> None:
        with self._lock:
            self._budget.give_back(self._taken_bytes)
            self._taken_bytes = 0
            self._is_open = False

    def _take_up_to(self, size_bytes: int) -> None:
        try:
            with self._lock:
                if self._is_open and size_bytes > self._taken_bytes:
                    self._budget.take(size_bytes - self._taken_bytes)
                    self._taken_bytes = size_bytes
        except Overloaded as refusal:
            self._on_refusal(refusal)
            raise


_account: ContextVar[_Account | None] = ContextVar("byte_account", default=None)


def expect_bytes(declared: int) -> None:
    """So many are on their way, by their own account; they are held for from now on. Nothing outside of requests.

    Raises:
        Overloaded: there is no room for them; nothing was read yet.
    """
    if (account := _account.get()) is not None:
        account.expect(declared)


def receive_bytes(received: int) -> None:
    """So many came; what was not declared is held for from now on. Nothing outside of requests.

    Raises:
        Overloaded: there is no room for them.
    """
    if (account := _account.get()) is not None:
        account.receive(received)
