"""The diarization engines by name. Nothing heavy is imported before an engine is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.fetching import fetch
from deployments.checkpoints.source import CheckpointSource
from deployments.diarization.engine import DiarizationCapabilities, DiarizationEngine
from deployments.errors import EngineUnavailable
from deployments.torch_runtime import Precision, TorchSettings

DEFAULT_ENGINE = "community1-onnx"
COMMUNITY1 = "pyannote/speaker-diarization-community-1"


@dataclass(frozen=True, slots=True)
class DiarizationEngineOptions:
    """What diarization engines can be told; one that cannot heed something refuses it.

    Attributes:
        checkpoint: files laid out as in pyannote/speaker-diarization-community-1. community1-torch without one takes
            the weights inside the moonshine-voice wheel, as community1-onnx always does; pyannote needs one.
        cache: where fetched weights are kept; needed to load a checkpoint.
        torch: how a torch engine runs; of community1-onnx, its threads. No engine compiles.
        segmentation_batch: windows of 10 s in one call of the segmentation network, on torch.
        embedding_batch: pieces of 12 s (community1-torch) or voices of 10 s (pyannote) in one call of the embedding
            network, on torch.
    """

    checkpoint: CheckpointSource | None = None
    cache: CheckpointCache | None = None
    torch: TorchSettings = field(default_factory=TorchSettings)
    segmentation_batch: int = 32
    embedding_batch: int = 32


@dataclass(frozen=True, slots=True)
class _Entry:
    """``load`` gets the folder of the checkpoint, None where none is named."""

    capabilities: DiarizationCapabilities
    load: Callable[[DiarizationEngineOptions, Path | None], DiarizationEngine]
    precisions: frozenset[Precision]
    is_torch: bool = True
    needs_checkpoint: bool = False


def diarization_capabilities(name: str, options: DiarizationEngineOptions) -> DiarizationCapabilities:
    """What the engine can do, without loading it.

    Raises:
        EngineUnavailable: no engine has this name, or it cannot be what the options want.
    """
    return _checked(name, options).capabilities


def load_diarization_engine(name: str, options: DiarizationEngineOptions) -> DiarizationEngine:
    """Load an engine; takes seconds, and longer where its checkpoint is not on this node yet.

    Raises:
        EngineUnavailable: no engine has this name, it cannot be what the options want, or its weights or packages
            are missing.
    """
    entry = _checked(name, options)
    folder = None if options.checkpoint is None else fetch(options.checkpoint, options.cache)
    return entry.load(options, folder)


def _checked(name: str, options: DiarizationEngineOptions) -> _Entry:
    if name not in _ENGINES:
        raise EngineUnavailable(f"No diarization engine is called {name!r}; there are: {', '.join(_ENGINES)}")
    entry, torch = _ENGINES[name], options.torch
    # A cache is not a wish: it is there for whichever engine needs it.
    heeded = DiarizationEngineOptions(cache=options.cache, torch=TorchSettings(threads=torch.threads))
    if not entry.is_torch and options != heeded:
        raise EngineUnavailable(
            f"The engine {name} brings its own weights and runs on the CPU: checkpoint, device, precision, compile and "
            "batches do not apply to it; community1-torch heeds them"
        )
    if entry.needs_checkpoint and options.checkpoint is None:
        raise EngineUnavailable(f"The engine {name} needs a checkpoint: {COMMUNITY1}, a folder or an s3:// prefix")
    if torch.compile:
        raise EngineUnavailable(f"The engine {name} does not compile its networks")
    if torch.precision not in entry.precisions:
        raise EngineUnavailable(f"The engine {name} does not run in {torch.precision}")
    return entry


def _load_onnx(options: DiarizationEngineOptions, _folder: Path | None) -> DiarizationEngine:
    from deployments.diarization.onnx_trunk import load_onnx_diarizer

    return load_onnx_diarizer(options.torch.threads)


def _load_torch(options: DiarizationEngineOptions, folder: Path | None) -> DiarizationEngine:
    from deployments.diarization.torch_trunk import TorchBatches, load_torch_diarizer

    return load_torch_diarizer(
        options.torch, folder, TorchBatches(windows=options.segmentation_batch, pieces=options.embedding_batch)
    )


def _load_pyannote(options: DiarizationEngineOptions, folder: Path | None) -> DiarizationEngine:
    from deployments.diarization.pyannote_engine import PyannoteDiarizer, PyannoteSettings

    assert folder is not None  # noqa: S101  # needs_checkpoint
    settings = PyannoteSettings(options.torch, options.segmentation_batch, options.embedding_batch)
    return PyannoteDiarizer(folder, settings)


_ENGINES: Mapping[str, _Entry] = {
    DEFAULT_ENGINE: _Entry(
        DiarizationCapabilities(voiceprints=True), _load_onnx, frozenset({Precision.AUTO}), is_torch=False
    ),
    "community1-torch": _Entry(DiarizationCapabilities(voiceprints=True), _load_torch, frozenset(Precision)),
    "pyannote": _Entry(
        DiarizationCapabilities(voiceprints=False),
        _load_pyannote,
        frozenset({Precision.AUTO, Precision.FLOAT32}),
        needs_checkpoint=True,
    ),
}
