"""The Diarizer stage."""

from __future__ import annotations

from deployments.contracts import SpeakerCount, SpeakerTurn, Waveform
from deployments.diarization.engine import SharedTrunkDiarizer
from deployments.offload import EngineThreads


class Diarizer:
    """Finds who speaks when, over the whole recording."""

    def __init__(self, threads: int) -> None:
        self._engine = SharedTrunkDiarizer(threads=threads)
        self._threads = EngineThreads(1)

    async def diarize(self, waveform: Waveform, speaker_count: SpeakerCount) -> tuple[SpeakerTurn, ...]:
        """See SharedTrunkDiarizer.diarize."""
        return await self._threads.run(
            lambda should_stop: self._engine.diarize(waveform.samples, speaker_count, should_stop)
        )
