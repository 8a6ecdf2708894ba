"""The Diarizer stage."""

from __future__ import annotations

from deployments.contracts import SpeakerCount, SpeakerTurn, Voiceprint, Waveform
from deployments.diarization.engine import SharedTrunkDiarizer
from deployments.offload import EngineThreads


class Diarizer:
    """Finds who speaks when, over the whole recording, and what the voice of an utterance is like."""

    def __init__(self, threads: int) -> None:
        self._engine = SharedTrunkDiarizer(threads=threads)
        self._threads = EngineThreads(1)
        # Live speech does not wait for files: a long one takes minutes.
        self._live_threads = EngineThreads(1)

    async def diarize(self, waveform: Waveform, speaker_count: SpeakerCount) -> tuple[SpeakerTurn, ...]:
        """See SharedTrunkDiarizer.diarize."""
        return await self._threads.run(
            lambda should_stop: self._engine.diarize(waveform.samples, speaker_count, should_stop)
        )

    async def voiceprint(self, waveform: Waveform) -> Voiceprint | None:
        """See SharedTrunkDiarizer.voiceprint."""
        return await self._live_threads.run(lambda should_stop: self._engine.voiceprint(waveform.samples, should_stop))
