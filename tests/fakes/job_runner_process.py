"""A runner as a process of its own, without Ray: ``python -m tests.fakes.job_runner_process SETTINGS_JSON``."""

from __future__ import annotations

import asyncio
import random
import sys

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


async def main(settings: Settings) -> None:
    service = JobService(settings, Database(database_url(settings.storage)), SlowPipeline(), FORMS)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await service.run()


if __name__ == "__main__":
    asyncio.run(main(Settings.model_validate_json(sys.argv[1])))
