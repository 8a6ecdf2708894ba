"""The Diarizer stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from deployments import service_log as log
from deployments.contracts import SpeakerCount, SpeakerTurn, Voiceprint, Waveform
from deployments.diarization.engines import DEFAULT_ENGINE, DiarizationEngineOptions, load_diarization_engine
from deployments.offload import EngineThreads
from deployments.process_start import prepare_process
from deployments.signal_table import STAGE_AUDIO
from deployments.signals import SILENT, Signals
from deployments.stage_times import stage_times
from deployments.tracing import annotate, traced

_OPEN_RECORDINGS = 8


@dataclass(frozen=True, slots=True)
class DiarizerConfig:
    """What a Diarizer replica is made of."""

    engine: str = DEFAULT_ENGINE
    options: DiarizationEngineOptions = field(default_factory=DiarizationEngineOptions)


class Diarizer:
    """Finds who speaks when, over the whole recording, and what the voice of an utterance is like."""

    def __init__(self, config: DiarizerConfig, signals: Signals = SILENT) -> None:
        prepare_process()
        self._engine = load_diarization_engine(config.engine, config.options)
        self._signals = signals
        times = stage_times(signals, "diarization", "diarize")
        # One works; a short recording has its turns between those of a long one, which takes minutes.
        self._threads = EngineThreads(1, times, open_calls=_OPEN_RECORDINGS)
        # Live speech does not wait for files: a long one takes minutes.
        self._live_threads = EngineThreads(1, stage_times(signals, "diarization", "voiceprint"))

    @traced("diarization")
    async def diarize(self, waveform: Waveform, speaker_count: SpeakerCount) -> tuple[SpeakerTurn, ...]:
        """See DiarizationEngine.diarize."""
        annotate(audio_s=waveform.duration_s)
        with log.stage_call("diarization"):
            turns = await self._threads.run(
                lambda should_stop: self._engine.diarize(waveform.samples, speaker_count, should_stop),
                waveform.duration_s,
            )
        self._signals.count(STAGE_AUDIO, waveform.duration_s, stage="diarization", work="diarize")
        return turns

    @traced("voiceprint")
    async def voiceprint(self, waveform: Waveform) -> Voiceprint | None:
        """See DiarizationEngine.voiceprint."""
        annotate(audio_s=waveform.duration_s)
        voice = await self._live_threads.run(lambda should_stop: self._engine.voiceprint(waveform.samples, should_stop))
        self._signals.count(STAGE_AUDIO, waveform.duration_s, stage="diarization", work="voiceprint")
        return voice

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What scaling goes by, of recordings alone; work is counted in seconds of audio."""
        return asdict(self._threads.stats)
