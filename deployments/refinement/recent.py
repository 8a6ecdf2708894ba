"""Keeps what is dear to make and asked for again soon."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made")


class Recent(Generic[Key, Made]):
    """What was made for the keys asked for last. For several threads: two that ask for one at once may both make it.

    Args:
        make: makes the thing of a key; always the same one for equal keys.
        size_of: how large it is, in any unit.
        most: sum of the sizes that are kept; what was not asked for longest goes first.
    """

    def __init__(self, make: Callable[[Key], Made], size_of: Callable[[Made], int], most: int) -> None:
        self._make = make
        self._size_of = size_of
        self._most = most
        self._lock = threading.Lock()
        self._made: OrderedDict[Key, Made] = OrderedDict()
        self._size = 0

    def __call__(self, key: Key) -> Made:
        """The thing of the key."""
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        made = self._make(key)
        with self._lock:
            if key not in self._made:
                self._made[key] = made
                self._size += self._size_of(made)
            while self._size > self._most:
                _, oldest = self._made.popitem(last=False)
                self._size -= self._size_of(oldest)
        return made
