"""The real ingress, Limiter and job runner over stages that pretend, for drills of scaling on any machine.

A recording is as long as its file has bytes, in milliseconds. The recogniser is our batcher over an engine that sleeps,
so that it scales by its own queue and batches and not by what else the machine does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ray import serve
from ray.serve import Application

from deployments.contracts import (
    LanguageSpan,
    RecognitionTask,
    RecognizedSpan,
    Refined,
    RefinementTask,
    Segment,
    SpeechMap,
    TimeSpan,
    Word,
)
from deployments.recognition.batcher import Batcher
from deployments.recognition.batches import BatchLimits
from serve_app.access.limiter import Limiter, LimiterConfig
from serve_app.dialects.registry import CALLBACK_FORMS
from serve_app.ingress import Ingress
from serve_app.jobs.runner import JobRunner
from serve_app.pipeline import StageHandles
from serve_app.settings import Settings

SLOTS = 2
WORK_S = 0.02
"""What a slot takes for a second of audio: a replica recognises a hundred times real time."""


class Decoder:
    """Knows how long a recording is, in seconds, and passes that on."""

    async def decode(self, data: Any, max_duration_s: float | None) -> float:  # noqa: ARG002 - the real one's signature
        """As Decoder.decode."""
        return len(data) / 1000


class QuickStages:
    """Speech all the time, in one language, and nothing to refine."""

    async def inspect(self, duration_s: float) -> SpeechMap:
        """As SpeechGate.inspect."""
        return SpeechMap(duration_s, (TimeSpan(0.0, duration_s),), 20.0)

    async def refine(self, segments: tuple[Segment, ...], task: RefinementTask) -> Refined:  # noqa: ARG002
        """As Refiner.refine."""
        return Refined(segments)


class Recognizer:
    """Hears "hello" in everything, at a fixed speed."""

    def __init__(self) -> None:
        self._batcher: Batcher[float, str] = Batcher(_hear, BatchLimits(slots=SLOTS))

    async def recognize(
        self, duration_s: float, spans: tuple[LanguageSpan, ...], task: RecognitionTask
    ) -> tuple[RecognizedSpan, ...]:
        """As Recognizer.recognize."""
        await self._batcher.submit([(duration_s, duration_s)], timeout_s=task.timeout_s)
        return tuple(RecognizedSpan(each.span, each.language, (Word("hello", 0.0, 0.5, 0.9),)) for each in spans)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """As Recognizer.record_autoscaling_stats."""
        return asdict(self._batcher.stats)


def _hear(durations_s: Sequence[float]) -> list[str]:
    time.sleep(WORK_S * sum(durations_s))
    return ["hello"] * len(durations_s)


def build_app(args: dict[str, Any]) -> Application:
    """``args`` of a config file end up here, as in serve_app.builder."""
    settings = Settings.model_validate(args)
    quick = _deployed(QuickStages, "QuickStages").bind()
    stages = StageHandles(
        decoder=_deployed(Decoder, "Decoder").bind(),
        speech_gate=quick,
        language_identifier=quick,
        recognizer=_deployed(Recognizer, "Recognizer").bind(),
        diarizer=quick,
        refiner=quick,
    )
    limiter = _deployed(Limiter, "Limiter").bind(LimiterConfig(lease_ttl_s=settings.access.lease_ttl_s))
    job_runner = _deployed(JobRunner, "JobRunner").bind(settings, stages, CALLBACK_FORMS)
    ingress: Application = _deployed(Ingress, "Ingress").bind(settings, stages, limiter, job_runner)
    return ingress


def _deployed(stage: type[Any], name: str) -> Any:
    return serve.deployment(name=name, max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.01})(stage)
