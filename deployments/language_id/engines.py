"""The language identification engines by name. Nothing heavy is imported before an engine is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.fetching import fetch
from deployments.checkpoints.source import CheckpointSource
from deployments.errors import EngineUnavailable
from deployments.language_id.engine import LanguageEngine
from deployments.language_id.single_language import SingleLanguage
from deployments.torch_runtime import TorchSettings

SINGLE_LANGUAGE = "single-language"
WHISPER_HEAD = "whisper-head"
_ENGINES = (SINGLE_LANGUAGE, WHISPER_HEAD)


@dataclass(frozen=True, slots=True)
class LanguageEngineOptions:
    """What language engines can be told; one that cannot heed something refuses it.

    Attributes:
        languages: those of the recogniser.
        checkpoint: of a multilingual Whisper, for whisper-head.
        cache: where fetched weights are kept; needed to load a checkpoint.
        torch: how a torch engine runs.
        batch_clips: stretches of speech that whisper-head hears in one pass.
    """

    languages: frozenset[str]
    checkpoint: CheckpointSource | None = None
    cache: CheckpointCache | None = None
    torch: TorchSettings = field(default_factory=TorchSettings)
    batch_clips: int = 16


def check_language_engine(name: str, options: LanguageEngineOptions) -> None:
    """Say without loading it whether an engine can be what the options want.

    Raises:
        EngineUnavailable: it cannot, or no engine has this name.
    """
    if name not in _ENGINES:
        raise EngineUnavailable(f"No language engine is called {name!r}; there are: {', '.join(_ENGINES)}")
    if name == WHISPER_HEAD:
        if options.checkpoint is None:
            raise EngineUnavailable(
                f"The engine {name} needs a multilingual Whisper checkpoint: a hub's org/name, a folder or s3://…"
            )
        return
    if len(options.languages) != 1:
        raise EngineUnavailable(
            f"The engine {name} needs a recogniser of one language, and this one has {len(options.languages)}; "
            f"{WHISPER_HEAD} tells languages apart"
        )
    if options.checkpoint is not None or options.torch != TorchSettings():
        raise EngineUnavailable(
            f"The engine {name} has no weights: checkpoint, device, precision, compile and threads do not apply to it"
        )


def load_language_engine(name: str, options: LanguageEngineOptions) -> LanguageEngine:
    """Load an engine; takes seconds where it has weights, and longer where they are not on this node yet.

    Raises:
        EngineUnavailable: no engine has this name, it cannot be what the options want, it lacks a package or its
            weights, or it knows none of the recogniser's languages.
    """
    check_language_engine(name, options)
    checkpoint = options.checkpoint
    engine = SingleLanguage(options.languages) if checkpoint is None else _load_whisper_head(checkpoint, options)
    if not engine.languages & options.languages:
        languages = ", ".join(sorted(options.languages))
        raise EngineUnavailable(f"The language engine {name!r} knows none of the recogniser's languages, {languages}")
    return engine


def _load_whisper_head(checkpoint: CheckpointSource, options: LanguageEngineOptions) -> LanguageEngine:
    try:
        from deployments.language_id.whisper_head import WhisperHead, WhisperHeadSettings
    except ImportError as error:
        raise EngineUnavailable(
            f"The engine {WHISPER_HEAD} needs a package: {error}; install rayscribe[torch]"
        ) from error
    folder = fetch(checkpoint, options.cache)
    return WhisperHead(folder, WhisperHeadSettings(torch=options.torch, batch_clips=options.batch_clips))
