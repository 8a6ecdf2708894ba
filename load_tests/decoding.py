"""Bytes to samples with the service's own decoder, so that every system hears the same waveform."""

from __future__ import annotations

import numpy as np

from deployments.contracts import Waveform
from deployments.decode.limits import DecodeLimits
from deployments.decode.pyav_engine import PyAvDecoder


def decode(data: bytes) -> Waveform:
    """Decode a file in this process.

    Raises:
        AudioRejected: it cannot be decoded.
    """
    return PyAvDecoder(DecodeLimits()).decode(np.frombuffer(data, np.uint8))
