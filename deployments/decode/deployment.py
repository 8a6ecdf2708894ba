"""The Decoder stage."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deployments.contracts import Waveform
from deployments.decode.limits import DecodeLimits
from deployments.decode.pyav_engine import PyAvDecoder
from deployments.offload import EngineThreads


class Decoder:
    """Turns the bytes of a file into a waveform; one file at a time in each replica, so it scales by processes."""

    def __init__(self, limits: DecodeLimits) -> None:
        self._engine = PyAvDecoder(limits)
        self._threads = EngineThreads(1)

    async def decode(self, data: npt.NDArray[np.uint8]) -> Waveform:
        """See PyAvDecoder.decode."""
        return await self._threads.run(lambda should_stop: self._engine.decode(data, should_stop))
