"""The SpeechGate stage."""

from __future__ import annotations

from deployments.contracts import SpeechMap, Waveform
from deployments.offload import EngineThreads
from deployments.speech_gate.gate import GateSettings, SpeechGateEngine


class SpeechGate:
    """Finds speech, and ends requests that hold none or only noise."""

    def __init__(self, settings: GateSettings) -> None:
        self._engine = SpeechGateEngine(settings)
        self._threads = EngineThreads(1)

    async def inspect(self, waveform: Waveform) -> SpeechMap:
        """See SpeechGateEngine.inspect."""
        return await self._threads.run(lambda should_stop: self._engine.inspect(waveform, should_stop))
