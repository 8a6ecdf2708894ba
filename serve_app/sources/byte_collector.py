"""Bytes that arrive in chunks, and no more of them than allowed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deployments.errors import AudioTooLarge
from serve_app.byte_budget import receive_bytes


class ByteCollector:
    """Grows with what arrived, so that a lying length costs nothing; holds max_bytes and an eighth at most."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes)

    def expect(self, declared_bytes: int | None) -> None:
        """Refuse a declared length before anything is read.

        Raises:
            AudioTooLarge: it is over the limit.
        """
        if declared_bytes is not None and declared_bytes > self._max_bytes:
            raise AudioTooLarge(self._max_bytes)

    def add(self, chunk: bytes) -> None:
        """Append a chunk.

        Raises:
            AudioTooLarge: it would go over the limit.
            Overloaded: it would be more than this process may hold.
        """
        if len(self._bytes) + len(chunk) > self._max_bytes:
            raise AudioTooLarge(self._max_bytes)
        receive_bytes(len(chunk))
        self._bytes += chunk

    def array(self) -> npt.NDArray[np.uint8]:
        """All of it, uint8 [n], not copied: nothing can be added afterwards."""
        return np.frombuffer(self._bytes, np.uint8)
