"""The checkpoints that a config names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deployments.checkpoints.source import CheckpointSource, Origin
from serve_app.engine_settings import DiarizationSettings, LanguageSettings, RecognitionSettings
from serve_app.settings import Settings


@dataclass(frozen=True, slots=True)
class NamedCheckpoint:
    """What one stage's engine loads."""

    stage: str
    engine: str
    source: CheckpointSource


def named_checkpoints(settings: Settings) -> tuple[NamedCheckpoint, ...]:
    """In the order of the graph; engines that bring their own weights are not among them."""
    return tuple(_named(settings))


def model_name(settings: Settings) -> str:
    """What the recogniser is called in answers: its checkpoint on a hub, or how its folder or prefix is called.

    Paths and buckets are nobody's business but the operator's.
    """
    source = settings.recognition.source()
    if source is None:
        return settings.recognition.engine
    if source.origin is Origin.HUB:
        return source.location
    path = source.prefix if source.origin is Origin.BUCKET else str(source.folder)
    return path.rpartition("/")[2] or settings.recognition.engine


def _named(settings: Settings) -> Iterator[NamedCheckpoint]:
    stages: dict[str, LanguageSettings | RecognitionSettings | DiarizationSettings] = {
        "language": settings.language,
        "recognition": settings.recognition,
        **{f"recognition: {model}": recognition for model, recognition in settings.recognizers.items()},
        "diarization": settings.diarization,
    }
    for stage, weights in stages.items():
        source = weights.source()
        if source is not None:
            yield NamedCheckpoint(stage, weights.engine, source)
    llm = settings.refinement.llm
    if llm is not None and (source := llm.source()) is not None:
        yield NamedCheckpoint("refinement", "llm", source)
