"""The Decoder stage."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import numpy.typing as npt

from deployments import service_log as log
from deployments.contracts import Waveform
from deployments.decode.limits import DecodeLimits
from deployments.decode.pyav_engine import PyAvDecoder
from deployments.offload import EngineThreads
from deployments.process_start import prepare_process
from deployments.signal_table import STAGE_AUDIO
from deployments.signals import SILENT, Signals
from deployments.stage_times import stage_times
from deployments.tracing import annotate, traced


class Decoder:
    """Turns the bytes of a file into a waveform; one file at a time in each replica, so it scales by processes."""

    def __init__(self, limits: DecodeLimits, signals: Signals = SILENT) -> None:
        prepare_process()
        self._limits = limits
        self._signals = signals
        self._threads = EngineThreads(1, stage_times(signals, "decode", "decode"))

    @traced("decode")
    async def decode(self, data: npt.NDArray[np.uint8], max_duration_s: float | None = None) -> Waveform:
        """See PyAvDecoder.decode; a caller may lower the limit on seconds, not raise it."""
        limits = self._limits
        if max_duration_s is not None:
            limits = replace(limits, max_duration_s=min(max_duration_s, limits.max_duration_s))
        with log.stage_call("decode"):
            waveform = await self._threads.run(lambda should_stop: PyAvDecoder(limits).decode(data, should_stop))
        self._signals.count(STAGE_AUDIO, waveform.duration_s, stage="decode", work="decode")
        annotate(audio_s=waveform.duration_s)
        return waveform

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What scaling goes by; work is counted in files, whose length is not known before."""
        return asdict(self._threads.stats)
