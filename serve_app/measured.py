"""A transcriber that tells how long recordings took, and how they ended."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from deployments.contracts import Transcript, TranscriptionRequest, WarningCode
from deployments.signal_table import (
    TRANSCRIPTION_AUDIO,
    TRANSCRIPTION_BYTES,
    TRANSCRIPTION_RTFX,
    TRANSCRIPTION_TIME,
    TRANSCRIPTIONS,
    WARNINGS,
)
from deployments.signals import Signals, failure_label
from serve_app.pipeline import SegmentSink
from serve_app.transcriptions import Transcriber

_LENGTHS = ((15.0, "under_15_s"), (60.0, "under_1_min"), (600.0, "under_10_min"))
# A recording that ends at the gate takes no time to speak of, and a clock may stand still meanwhile.
_SHORTEST_S = 1e-3


class MeasuredTranscriber:
    """Implements Transcriber over another one. ``origin``: whether a request waits for the answer, or a job."""

    def __init__(
        self, pipeline: Transcriber, signals: Signals, origin: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pipeline = pipeline
        self._signals = signals
        self._origin = origin
        self._clock = clock

    async def transcribe(
        self,
        request: TranscriptionRequest,
        audio: npt.NDArray[np.uint8],
        on_segments: SegmentSink | None = None,
    ) -> Transcript:
        """See Transcriber."""
        begun_s = self._clock()
        self._signals.count(TRANSCRIPTION_BYTES, audio.nbytes, origin=self._origin)
        try:
            transcript = await self._pipeline.transcribe(request, audio, on_segments)
        except BaseException as error:
            self._signals.count(TRANSCRIPTIONS, origin=self._origin, outcome=failure_label(error))
            raise
        self._tell(transcript, max(_SHORTEST_S, self._clock() - begun_s))
        return transcript

    def _tell(self, transcript: Transcript, took_s: float) -> None:
        signals, origin, length = self._signals, self._origin, length_label(transcript.duration_s)
        signals.count(TRANSCRIPTIONS, origin=origin, outcome=_outcome_of(transcript))
        signals.observe(TRANSCRIPTION_TIME, took_s, origin=origin, length=length)
        signals.observe(TRANSCRIPTION_RTFX, transcript.duration_s / took_s, origin=origin, length=length)
        signals.count(TRANSCRIPTION_AUDIO, transcript.duration_s, origin=origin)
        for warning in transcript.warnings:
            signals.count(WARNINGS, origin=origin, code=warning.code.value)


def length_label(duration_s: float) -> str:
    """Latency means something for recordings of about one length only."""
    return next((label for limit_s, label in _LENGTHS if duration_s < limit_s), "longer")


def _outcome_of(transcript: Transcript) -> str:
    if any(warning.code is WarningCode.LOW_SNR_DROPPED for warning in transcript.warnings):
        return "low_snr"
    return "completed" if transcript.usage.billable_s > 0 else "no_speech"
