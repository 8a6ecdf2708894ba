"""The SpeechGate stage."""

from __future__ import annotations

from dataclasses import asdict

from deployments import service_log as log
from deployments.contracts import SpeechMap, Waveform
from deployments.offload import EngineThreads
from deployments.process_start import prepare_process
from deployments.signal_table import STAGE_AUDIO
from deployments.signals import SILENT, Signals
from deployments.speech_gate.gate import GateSettings, SpeechGateEngine
from deployments.stage_times import stage_times
from deployments.tracing import annotate, traced


class SpeechGate:
    """Finds speech, and ends requests that hold none or only noise."""

    def __init__(self, settings: GateSettings, signals: Signals = SILENT) -> None:
        prepare_process()
        self._engine = SpeechGateEngine(settings)
        self._signals = signals
        self._threads = EngineThreads(1, stage_times(signals, "speech_gate", "inspect"))

    @traced("speech_gate")
    async def inspect(self, waveform: Waveform) -> SpeechMap:
        """See SpeechGateEngine.inspect."""
        annotate(audio_s=waveform.duration_s)
        with log.stage_call("speech_gate"):
            speech = await self._threads.run(
                lambda should_stop: self._engine.inspect(waveform, should_stop), waveform.duration_s
            )
        self._signals.count(STAGE_AUDIO, speech.duration_s, stage="speech_gate", work="inspect")
        return speech

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What scaling goes by; work is counted in seconds of audio."""
        return asdict(self._threads.stats)
