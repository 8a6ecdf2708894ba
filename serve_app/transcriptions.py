"""A transcription on behalf of a caller: the pipeline, and what it costs him."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from deployments.contracts import Transcript, TranscriptionRequest
from serve_app.access.visit import Visit
from serve_app.pipeline import SegmentSink
from serve_app.request_log import this_request


class Transcriber(Protocol):
    """The pipeline, as others see it."""

    async def transcribe(
        self,
        request: TranscriptionRequest,
        audio: npt.NDArray[np.uint8],
        on_segments: SegmentSink | None = None,
    ) -> Transcript:
        """See Pipeline.transcribe."""
        ...


class Meter(Protocol):
    """The usage ledger, as a transcription sees it."""

    async def completed(self, visit: Visit, request: TranscriptionRequest, transcript: Transcript) -> None:
        """Record, and charge, a transcript that is about to be answered.

        Raises:
            ServiceUnavailable: it could not be recorded, so it is not answered.
        """
        ...

    def failed(self, visit: Visit, request: TranscriptionRequest, error: BaseException) -> None:
        """Note a request that came to nothing; it costs nothing. Returns at once, also in a cancelled task."""
        ...


class Transcriptions:
    """Runs a visit's request and meters it."""

    def __init__(self, pipeline: Transcriber, meter: Meter) -> None:
        self._pipeline = pipeline
        self._meter = meter

    async def run(
        self,
        visit: Visit,
        request: TranscriptionRequest,
        audio: npt.NDArray[np.uint8],
        on_segments: SegmentSink | None = None,
    ) -> Transcript:
        """The transcript, metered: what is returned was recorded, and what raises cost nothing.

        Raises:
            RayscribeError: see Pipeline.transcribe and Meter.completed.
        """
        try:
            transcript = await self._pipeline.transcribe(request, audio, on_segments)
        except BaseException as error:
            self._meter.failed(visit, request, error)
            raise
        this_request().audio_s = transcript.duration_s
        await self._meter.completed(visit, request, transcript)
        return transcript
