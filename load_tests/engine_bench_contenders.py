"""Who takes part: one of our engines, and the plain pipeline of transformers, on the same checkpoint folder."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
import transformers

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from deployments.recognition.engine import RecognitionEngine, SpeechWindow
from deployments.torch_runtime import TorchSettings, placement_of
from load_tests.engine_bench_parts import Part, PartOf
from load_tests.engine_bench_plan import Family

OURS, PIPELINE = "Rayscribe", "transformers pipeline"
_LANGUAGE = "en"


class Contender(Protocol):
    """Turns windows into texts."""

    name: str
    parts: tuple[PartOf, ...]

    def transcribe(self, windows: Sequence[Samples]) -> list[str]:
        """The text of each window; they form one batch."""
        ...


class Ours:
    """An engine as the service runs it, with the settings that it has by default."""

    name = OURS

    def __init__(self, folder: Path, family: Family, settings: TorchSettings) -> None:
        self._engine, self.parts = _LOADERS[family](folder, settings)

    def transcribe(self, windows: Sequence[Samples]) -> list[str]:
        """With times and confidences of all words, which are not returned."""
        hypotheses = self._engine.transcribe([SpeechWindow(samples, _LANGUAGE) for samples in windows])
        return [" ".join(word.text for word in hypothesis.words) for hypothesis in hypotheses]


class PlainPipeline:
    """The pipeline "automatic-speech-recognition": text alone, greedy, one batch."""

    name = PIPELINE

    def __init__(self, folder: Path, family: Family, settings: TorchSettings) -> None:
        placement = placement_of(settings)
        self._pipeline: Any = transformers.pipeline(
            "automatic-speech-recognition", model=str(folder), dtype=placement.dtype, device=placement.device
        )
        model = self._pipeline.model
        encoder = model.encoder if family in (Family.CTC, Family.TRANSDUCER) else model.get_encoder()
        self.parts: tuple[PartOf, ...] = (
            PartOf(self._pipeline, "feature_extractor", Part.FEATURES),
            PartOf(encoder, "forward", Part.ENCODER),
            PartOf(self._pipeline, "_forward", Part.DECODER),
        )
        self._options: dict[str, Any] = {}
        if family in (Family.WHISPER, Family.MOONSHINE):
            # Its own default are five beams.
            self._options = {"generate_kwargs": {"num_beams": 1}}
        if family is Family.WHISPER and model.generation_config.is_multilingual:
            self._options["generate_kwargs"] |= {"language": _LANGUAGE, "task": "transcribe"}

    def transcribe(self, windows: Sequence[Samples]) -> list[str]:
        """The texts, without times."""
        # The pipeline empties the dictionaries that it is given.
        inputs = [{"raw": samples, "sampling_rate": SAMPLE_RATE_HZ} for samples in windows]
        results = self._pipeline(inputs, batch_size=len(inputs), **self._options)
        return [" ".join(result["text"].split()) for result in results]


class PeakMemory:
    """The most of a GPU's memory that tensors took since start."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before = 0

    def start(self) -> None:
        """From here on."""
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)

    def extra_bytes(self) -> int | None:
        """Beyond what was there at the start: weights, above all. None for a CPU, whose allocator does not tell."""
        if self._device.type != "cuda":
            return None
        return int(torch.cuda.max_memory_allocated(self._device)) - self._before


def _load_whisper(folder: Path, settings: TorchSettings) -> tuple[RecognitionEngine, tuple[PartOf, ...]]:
    from deployments.recognition.whisper.engine import WhisperEngine
    from deployments.recognition.whisper.settings import WhisperSettings

    engine: Any = WhisperEngine(folder, WhisperSettings(torch=settings))
    return engine, (
        PartOf(engine, "_features", Part.FEATURES),
        PartOf(engine, "_encoder", Part.ENCODER),
        PartOf(engine._decoder, "audio_memory", Part.DECODER),
        PartOf(engine._search, "decode", Part.DECODER),
        PartOf(engine._aligner, "starts_s", Part.ALIGNMENT),
    )


def _load_moonshine(folder: Path, settings: TorchSettings) -> tuple[RecognitionEngine, tuple[PartOf, ...]]:
    from deployments.recognition.moonshine_torch.engine import MoonshineTorchEngine, MoonshineTorchSettings

    engine: Any = MoonshineTorchEngine(folder, MoonshineTorchSettings(torch=settings))
    return engine, (
        PartOf(engine, "_heard", Part.ENCODER),
        PartOf(engine, "_search", Part.DECODER),
    )


def _load_ctc(folder: Path, settings: TorchSettings) -> tuple[RecognitionEngine, tuple[PartOf, ...]]:
    from deployments.recognition.frame_synchronous.ctc import CtcEngine, CtcSettings

    engine: Any = CtcEngine(folder, CtcSettings((_LANGUAGE,), torch=settings))
    return engine, (PartOf(engine._features, "batch", Part.FEATURES), PartOf(engine, "_model", Part.ENCODER))


def _load_transducer(folder: Path, settings: TorchSettings) -> tuple[RecognitionEngine, tuple[PartOf, ...]]:
    from deployments.recognition.frame_synchronous import transducer

    engine: Any = transducer.TransducerEngine(folder, transducer.TransducerSettings((_LANGUAGE,), torch=settings))
    return engine, (
        PartOf(engine._features, "batch", Part.FEATURES),
        PartOf(engine._model, "get_audio_features", Part.ENCODER),
        PartOf(transducer, "greedy_search", Part.DECODER),
    )


_LOADERS = {
    Family.WHISPER: _load_whisper,
    Family.MOONSHINE: _load_moonshine,
    Family.CTC: _load_ctc,
    Family.TRANSDUCER: _load_transducer,
}
