"""A binary file over borrowed memory, for FFmpeg to read from."""

from __future__ import annotations

import io
from collections.abc import Callable


class ByteReader:
    """Reads a buffer in place: only the piece that is asked for is copied.

    ``checkpoint`` runs before each read, so that a demuxer that wanders through a hostile file without ever
    giving a packet is still stopped. What it raises comes out of the PyAV call in progress. After that the
    file is at its end: FFmpeg may try again before it gives up, and PyAV prints every error but the first to
    stderr.
    """

    def __init__(self, data: memoryview, checkpoint: Callable[[], None]) -> None:
        self._data = data
        self._checkpoint = checkpoint
        self._position = 0
        self._is_stopped = False

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes from the position, b"" at the end."""
        if self._is_stopped:
            return b""
        try:
            self._checkpoint()
        except BaseException:
            self._is_stopped = True
            raise
        piece = bytes(self._data[self._position : self._position + size])
        self._position += len(piece)
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to ``offset`` from the start, the position or the end; past the end is the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._data)}[whence]
        self._position = min(max(base + offset, 0), len(self._data))
        return self._position

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position
