"""Samples of fixed width, cut anywhere between two messages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from deployments.contracts import Samples
from serve_app.live.audio.g711 import ALAW_LEVELS, MULAW_LEVELS
from serve_app.live.contracts import Encoding

_DTYPES: dict[Encoding, npt.DTypeLike] = {
    Encoding.PCM_S16: np.dtype("<i2"),
    Encoding.PCM_S32: np.dtype("<i4"),
    Encoding.MULAW: np.dtype("u1"),
    Encoding.ALAW: np.dtype("u1"),
}

_LEVELS = {Encoding.MULAW: MULAW_LEVELS, Encoding.ALAW: ALAW_LEVELS}


class PcmReader:
    """Linear PCM of 16 or 32 bits, µ-law and A-law, at the rate that the client says."""

    def __init__(self, encoding: Encoding, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.decoded = 0
        self._dtype = np.dtype(_DTYPES[encoding])
        self._levels = _LEVELS.get(encoding)
        self._cut_sample = b""

    def read(self, data: bytes) -> Iterator[Samples]:
        """The samples that are complete now, within -1..1. Part of a sample waits for the next message."""
        whole = self._cut_sample + data
        count = len(whole) // self._dtype.itemsize
        self._cut_sample = whole[count * self._dtype.itemsize :]
        self.decoded += count
        codes = np.frombuffer(whole, self._dtype, count)
        if self._levels is not None:
            yield np.asarray(self._levels[codes], np.float32)
        else:
            full_scale = np.float32(2.0 ** (8 * self._dtype.itemsize - 1))
            yield np.divide(codes, full_scale, dtype=np.float32, casting="same_kind")
