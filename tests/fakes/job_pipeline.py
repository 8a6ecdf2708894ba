"""A pipeline that waits to be let go on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deployments.contracts import Transcript, TranscriptionRequest
from serve_app.pipeline import SegmentSink
from tests.fakes.job_bench import transcript_of


@dataclass
class GatedPipeline:
    """Holds every request until the gate opens; raises what it is told to."""

    error: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    cancelled: int = 0
    heard: list[bytes] = field(default_factory=list)

    async def transcribe(
        self, request: TranscriptionRequest, audio: npt.NDArray[np.uint8], on_segments: SegmentSink | None = None
    ) -> Transcript:
        self.heard.append(audio.tobytes())
        self.begun.release()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return transcript_of(request)
