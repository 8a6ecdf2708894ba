"""The language identification engines by name. Nothing heavy is imported before an engine is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployments.errors import EngineUnavailable
from deployments.language_id.engine import LanguageEngine
from deployments.language_id.single_language import SingleLanguage
from deployments.torch_runtime import TorchSettings


@dataclass(frozen=True, slots=True)
class LanguageEngineOptions:
    """What every language engine can be told; see each engine for what it makes of it.

    Attributes:
        languages: those of the recogniser.
        folder: of the checkpoint, already on this machine; None where the engine needs none.
        torch: how a torch engine runs.
        batch_clips: stretches of speech heard in one pass.
    """

    languages: frozenset[str]
    folder: Path | None = None
    torch: TorchSettings = field(default_factory=TorchSettings)
    batch_clips: int = 16


def _load_single_language(options: LanguageEngineOptions) -> LanguageEngine:
    return SingleLanguage(options.languages)


def _load_whisper_head(options: LanguageEngineOptions) -> LanguageEngine:
    from deployments.language_id.whisper_head import WhisperHead, WhisperHeadSettings

    if options.folder is None:
        raise EngineUnavailable("The engine 'whisper-head' needs a Whisper checkpoint: no model is set for it")
    return WhisperHead(options.folder, WhisperHeadSettings(torch=options.torch, batch_clips=options.batch_clips))


_LOADERS: Mapping[str, Callable[[LanguageEngineOptions], LanguageEngine]] = {
    "single-language": _load_single_language,
    "whisper-head": _load_whisper_head,
}


def load_language_engine(name: str, options: LanguageEngineOptions) -> LanguageEngine:
    """Load an engine; takes seconds where it has weights.

    Raises:
        EngineUnavailable: no engine has this name, it lacks a package or its weights, or it knows none of the
            recogniser's languages.
    """
    if name not in _LOADERS:
        raise EngineUnavailable(f"No language engine is called {name!r}; there are: {', '.join(_LOADERS)}")
    engine = _LOADERS[name](options)
    if not engine.languages & options.languages:
        spoken = ", ".join(sorted(options.languages))
        raise EngineUnavailable(f"The language engine {name!r} knows none of the recogniser's languages, {spoken}")
    return engine
