"""A runner as a process of its own, without Ray."""

from __future__ import annotations

import asyncio
import random

import numpy as np
import numpy.typing as npt

from deployments.contracts import Transcript, TranscriptionRequest
from serve_app.jobs.service import JobService
from serve_app.pipeline import SegmentSink
from serve_app.settings import Settings
from serve_app.storage.database import Database
from serve_app.storage.location import database_url
from tests.fakes.job_bench import FORMS, transcript_of


class SlowPipeline:
    """Takes a moment, in which it may be killed; the transcript is what the audio says."""

    async def transcribe(
        self, request: TranscriptionRequest, audio: npt.NDArray[np.uint8], on_segments: SegmentSink | None = None
    ) -> Transcript:
        await asyncio.sleep(random.uniform(0.0, 0.2))
        return transcript_of(request, audio.tobytes().decode())


def run(settings_json: str) -> None:
    """The target of a process; it ends by being killed."""
    settings = Settings.model_validate_json(settings_json)

    async def main() -> None:
        await JobService(settings, Database(database_url(settings.storage)), SlowPipeline(), FORMS).run()

    asyncio.run(main())
