"""The Diarizer stage."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployments.contracts import SpeakerCount, SpeakerTurn, Voiceprint, Waveform
from deployments.diarization.engines import DEFAULT_ENGINE, DiarizationEngineOptions, load_diarization_engine
from deployments.offload import EngineThreads


@dataclass(frozen=True, slots=True)
class DiarizerConfig:
    """What a Diarizer replica is made of."""

    engine: str = DEFAULT_ENGINE
    options: DiarizationEngineOptions = field(default_factory=DiarizationEngineOptions)


class Diarizer:
    """Finds who speaks when, over the whole recording, and what the voice of an utterance is like."""

    def __init__(self, config: DiarizerConfig) -> None:
        self._engine = load_diarization_engine(config.engine, config.options)
        self._threads = EngineThreads(1)
        # Live speech does not wait for files: a long one takes minutes.
        self._live_threads = EngineThreads(1)

    async def diarize(self, waveform: Waveform, speaker_count: SpeakerCount) -> tuple[SpeakerTurn, ...]:
        """See DiarizationEngine.diarize."""
        return await self._threads.run(
            lambda should_stop: self._engine.diarize(waveform.samples, speaker_count, should_stop)
        )

    async def voiceprint(self, waveform: Waveform) -> Voiceprint | None:
        """See DiarizationEngine.voiceprint."""
        return await self._live_threads.run(lambda should_stop: self._engine.voiceprint(waveform.samples, should_stop))
