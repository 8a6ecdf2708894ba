"""G.711 as two tables: what each of the 256 codes stands for.

ITU-T Recommendation G.711 (11/1988), tables 1a (A-law) and 2a (µ-law). The values are those of 16-bit PCM, as every
telephony library scales them (µ-law's 14 bits and A-law's 13 moved up).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_FULL_SCALE = np.float32(1 << 15)


def _split(codes: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Segment (three bits) and step within it (four bits)."""
    return (codes >> 4) & 7, codes & 15


def _mulaw_levels() -> npt.NDArray[np.float32]:
    codes = ~np.arange(256, dtype=np.int32) & 0xFF  # sent with all bits inverted, §3.2 of the recommendation
    segment, step = _split(codes)
    magnitude = (((step << 3) + 0x84) << segment) - 0x84
    return np.where(codes & 0x80, -magnitude, magnitude).astype(np.float32) / _FULL_SCALE


def _alaw_levels() -> npt.NDArray[np.float32]:
    codes = np.arange(256, dtype=np.int32) ^ 0x55  # sent with even bits inverted
    segment, step = _split(codes)
    magnitude = np.where(segment == 0, (step << 4) + 8, ((step << 4) + 0x108) << np.maximum(segment - 1, 0))
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.float32) / _FULL_SCALE


MULAW_LEVELS = _mulaw_levels()
"""µ-law code to sample within -1..1, shape [256]."""

ALAW_LEVELS = _alaw_levels()
"""A-law code to sample within -1..1, shape [256]."""
