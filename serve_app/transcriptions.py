"""A transcription on behalf of a caller: the pipeline, and what it costs him."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from deployments.contracts import Segment, Transcript, TranscriptionRequest
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

    def failed(self, visit: Visit, request: TranscriptionRequest, error: BaseException, told_s: float) -> None:
        """Note a request that came to no end. Returns at once, also in a cancelled task.

        It costs nothing, unless its caller left when he had been told the words of the first ``told_s`` seconds.
        """
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
        """The transcript, metered: what is returned was recorded; of what raises see Meter.failed.

        Raises:
            RayscribeError: see Pipeline.transcribe and Meter.completed.
        """
        told_s = 0.0

        async def tell(segments: tuple[Segment, ...]) -> None:
            nonlocal told_s
            assert on_segments is not None  # noqa: S101  # or nobody calls
            await on_segments(segments)
            told_s = max([told_s, *(segment.end_s for segment in segments)])

        try:
            transcript = await self._pipeline.transcribe(request, audio, None if on_segments is None else tell)
        except BaseException as error:
            self._meter.failed(visit, request, error, told_s)
            raise
        this_request().audio_s = transcript.duration_s
        await self._meter.completed(visit, request, transcript)
        return transcript
