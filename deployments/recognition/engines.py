"""The recognition engines by name. Nothing heavy is imported before an engine is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.fetching import fetch
from deployments.checkpoints.source import CheckpointSource
from deployments.errors import EngineUnavailable
from deployments.recognition import known_checkpoints
from deployments.recognition.engine import RecognitionCapabilities, RecognitionEngine
from deployments.recognition.moonshine.capabilities import CAPABILITIES as MOONSHINE_ONNX_CAPABILITIES
from deployments.torch_runtime import Precision, TorchSettings


@dataclass(frozen=True, slots=True)
class RecognitionEngineOptions:
    """What recognition engines can be told; one that cannot heed something refuses it.

    Attributes:
        beams: hypotheses kept while decoding; None: the engine's default.
        checkpoint: where the weights are; None for an engine that brings its own.
        cache: where fetched weights are kept; needed to load a checkpoint, not to ask what the engine can do.
        torch: how a torch engine runs; an ONNX engine takes its threads.
        languages: ISO 639-1 codes of the checkpoint; empty: those that it is known for.
    """

    beams: int | None = None
    checkpoint: CheckpointSource | None = None
    cache: CheckpointCache | None = None
    torch: TorchSettings = field(default_factory=TorchSettings)
    languages: tuple[str, ...] = ()


def recognition_capabilities(name: str, options: RecognitionEngineOptions) -> RecognitionCapabilities:
    """What the engine can do, without loading it.

    Raises:
        EngineUnavailable: no engine has this name, or it cannot be what the options want.
    """
    if name == MOONSHINE_ONNX:
        _check_onnx(name, options)
        return MOONSHINE_ONNX_CAPABILITIES
    return _torch_entry(name).capabilities(_checkpoint(name, options), options.languages)


def load_recognition_engine(name: str, options: RecognitionEngineOptions) -> RecognitionEngine:
    """Load an engine; takes seconds, and longer where its checkpoint is not on this node yet.

    Raises:
        EngineUnavailable: no engine has this name, it cannot be what the options want, or its weights are missing.
    """
    capabilities = recognition_capabilities(name, options)
    if name == MOONSHINE_ONNX:
        return _load_moonshine_onnx(options)
    folder = fetch(_checkpoint(name, options), options.cache)
    try:
        return _torch_entry(name).load(folder, capabilities, options.torch)
    except ImportError as error:
        raise EngineUnavailable(f"The engine {name} needs a package: {error}; install rayscribe[torch]") from error


def _check_onnx(name: str, options: RecognitionEngineOptions) -> None:
    torch = options.torch
    runs_here = torch.device in ("auto", "cpu") and torch.precision is Precision.AUTO and not torch.compile
    if options.checkpoint is not None or options.languages or not runs_here:
        raise EngineUnavailable(
            f"The engine {name} brings its own weights and runs on the CPU: "
            "checkpoint, languages, device, precision and compile do not apply to it"
        )


def _checkpoint(name: str, options: RecognitionEngineOptions) -> CheckpointSource:
    if options.checkpoint is None:
        raise EngineUnavailable(f"The engine {name} needs a checkpoint: a hub's org/name, a folder or s3://…")
    if options.beams is not None:
        raise EngineUnavailable(f"The engine {name} keeps one hypothesis while decoding: beams do not apply to it")
    return options.checkpoint


def _load_moonshine_onnx(options: RecognitionEngineOptions) -> RecognitionEngine:
    from deployments.recognition.moonshine.engine import MoonshineEngine, MoonshineSettings

    settings = MoonshineSettings(threads=options.torch.threads)
    return MoonshineEngine(settings if options.beams is None else replace(settings, beams=options.beams))


@dataclass(frozen=True, slots=True)
class _TorchEntry:
    """``capabilities`` takes the languages of the config; ``load`` is given the folder of the checkpoint."""

    capabilities: Callable[[CheckpointSource, tuple[str, ...]], RecognitionCapabilities]
    load: Callable[[Path, RecognitionCapabilities, TorchSettings], RecognitionEngine]


def _load_whisper(folder: Path, capabilities: RecognitionCapabilities, torch: TorchSettings) -> RecognitionEngine:
    from deployments.recognition.whisper.engine import WhisperEngine
    from deployments.recognition.whisper.settings import WhisperSettings

    engine = WhisperEngine(folder, WhisperSettings(torch=torch))
    # The folder knows better than the name; what the ingress promises must be there.
    known_checkpoints.chosen_languages(engine.capabilities.languages, tuple(capabilities.languages), str(folder))
    return engine


def _load_ctc(folder: Path, capabilities: RecognitionCapabilities, torch: TorchSettings) -> RecognitionEngine:
    from deployments.recognition.frame_synchronous.ctc import CtcEngine, CtcSettings

    return CtcEngine(folder, CtcSettings(languages=tuple(sorted(capabilities.languages)), torch=torch))


def _load_transducer(folder: Path, capabilities: RecognitionCapabilities, torch: TorchSettings) -> RecognitionEngine:
    from deployments.recognition.frame_synchronous.transducer import TransducerEngine, TransducerSettings

    return TransducerEngine(folder, TransducerSettings(languages=tuple(sorted(capabilities.languages)), torch=torch))


def _load_moonshine(folder: Path, capabilities: RecognitionCapabilities, torch: TorchSettings) -> RecognitionEngine:
    from deployments.recognition.moonshine_torch.engine import MoonshineTorchEngine, MoonshineTorchSettings

    return MoonshineTorchEngine(folder, MoonshineTorchSettings(languages=tuple(capabilities.languages), torch=torch))


MOONSHINE_ONNX = "moonshine-tiny-en"
_TORCH_ENGINES: Mapping[str, _TorchEntry] = {
    "whisper": _TorchEntry(known_checkpoints.whisper_capabilities, _load_whisper),
    "ctc": _TorchEntry(known_checkpoints.ctc_capabilities, _load_ctc),
    "transducer": _TorchEntry(known_checkpoints.transducer_capabilities, _load_transducer),
    "moonshine": _TorchEntry(known_checkpoints.moonshine_capabilities, _load_moonshine),
}


def _torch_entry(name: str) -> _TorchEntry:
    if name not in _TORCH_ENGINES:
        names = ", ".join((MOONSHINE_ONNX, *_TORCH_ENGINES))
        raise EngineUnavailable(f"No recognition engine is called {name!r}; there are: {names}")
    return _TORCH_ENGINES[name]
