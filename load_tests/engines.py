"""The service's own engines in this process: what the same work costs without Ray and HTTP."""

from __future__ import annotations

from deployments.contracts import SAMPLE_RATE_HZ, Samples, SpeakerCount, SpeakerTurn, SpeechMap, TimeSpan, Waveform
from deployments.diarization.onnx_trunk import load_onnx_diarizer
from deployments.recognition.engine import SpeechWindow
from deployments.recognition.engines import load_recognition_engine
from deployments.recognition.windows import WindowSettings, plan_windows
from deployments.speech_gate.gate import GateSettings, SpeechGateEngine
from load_tests.decoding import decode
from load_tests.recordings import CHECKOUT
from serve_app.serve_config import load_settings
from serve_app.settings import Settings


def embedded_settings() -> Settings:
    """The settings of the embedded profile, from its config file."""
    return load_settings(CHECKOUT / "configs" / "embedded.yaml")


class Gate:
    """The speech gate alone."""

    def __init__(self, settings: Settings) -> None:
        self._engine = SpeechGateEngine(GateSettings(snr_floor_db=settings.speech_gate.snr_floor_db))

    def inspect(self, waveform: Waveform) -> SpeechMap:
        """See SpeechGateEngine.inspect."""
        return self._engine.inspect(waveform, lambda: False)


class Recogniser:
    """Windows and recognition of the regions that the gate found."""

    def __init__(self, settings: Settings) -> None:
        recognition = settings.recognition
        options = recognition.options(settings.checkpoint_cache())
        self._engine = load_recognition_engine(recognition.engine, options)
        (self._language,) = self._engine.capabilities.languages
        self._batch_items = recognition.max_batch_items
        self.windows = WindowSettings(longest_s=recognition.resolved_window_s())

    def transcribe(self, samples: Samples, regions: tuple[TimeSpan, ...], windows: WindowSettings | None = None) -> str:
        """The words in order, in batches of the profile's size."""
        planned = plan_windows(samples, regions, windows or self.windows)
        cut = [
            SpeechWindow(samples[int(w.start_s * SAMPLE_RATE_HZ) : int(w.end_s * SAMPLE_RATE_HZ)], self._language)
            for w in planned
        ]
        batches = (cut[first : first + self._batch_items] for first in range(0, len(cut), self._batch_items))
        hypotheses = [hypothesis for batch in batches for hypothesis in self._engine.transcribe(batch)]
        return " ".join(word.text for hypothesis in hypotheses for word in hypothesis.words)


class Chain:
    """Decode, gate, recognise, one after the other."""

    def __init__(self, settings: Settings) -> None:
        self.gate = Gate(settings)
        self.recogniser = Recogniser(settings)

    def transcribe(self, data: bytes) -> str:
        """The words of a file."""
        waveform = decode(data)
        return self.recogniser.transcribe(waveform.samples, self.gate.inspect(waveform).regions)


class Diarizer:
    """Our diarization on one thread."""

    def __init__(self) -> None:
        self._engine = load_onnx_diarizer(threads=1)

    def diarize(self, samples: Samples) -> tuple[SpeakerTurn, ...]:
        """Turns, with the number of speakers unknown."""
        return self._engine.diarize(samples, SpeakerCount())
