"""The real ingress and Limiter over one stage that pretends to be all of them, and counts who is inside."""

from __future__ import annotations

import asyncio
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

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
from deployments.tracing import traced
from serve_app.access.limiter import Limiter, LimiterConfig
from serve_app.dialects.registry import CALLBACK_FORMS
from serve_app.ingress import Ingress
from serve_app.jobs.runner import JobRunner
from serve_app.pipeline import StageHandles
from serve_app.settings import Settings

SPEECH = SpeechMap(4.0, (TimeSpan(0.5, 3.5),), 20.0)


class StandInStages:
    """Hears "hello" in everything, after a while."""

    def __init__(self, recognition_s: float) -> None:
        self._recognition_s = recognition_s
        self._inside = 0
        self._most_inside = 0

    @traced("decode")
    async def decode(self, data: Any, max_duration_s: float | None) -> int:
        self._inside += 1
        self._most_inside = max(self._most_inside, self._inside)
        try:
            # The admission under test is over when this returns, so all of the work is done here.
            await asyncio.sleep(self._recognition_s)
        finally:
            self._inside -= 1
        return len(data)

    @traced("speech_gate")
    async def inspect(self, waveform: int) -> SpeechMap:
        return SPEECH

    @traced("recognition")
    async def recognize(
        self, waveform: int, spans: tuple[LanguageSpan, ...], task: RecognitionTask
    ) -> tuple[RecognizedSpan, ...]:
        return tuple(RecognizedSpan(each.span, each.language, (Word("hello", 1.0, 1.5, 0.9),)) for each in spans)

    @traced("refinement")
    async def refine(self, segments: tuple[Segment, ...], task: RefinementTask) -> Refined:
        return Refined(segments)

    async def most_inside(self) -> int:
        """The most requests that were inside at once, since the last time this was asked."""
        most, self._most_inside = self._most_inside, self._inside
        return most


def stand_in_app(
    settings: Settings, *, ingress_replicas: int, recognition_s: float, job_runners: int = 1
) -> Application:
    """Bind it all; the Limiter is in the application that the settings name, as in serve_app.builder."""
    stages = _deployed(StandInStages, "Stages").bind(recognition_s)
    elsewhere = settings.access.limiter_application
    limiter = stand_in_limiter(settings) if elsewhere is None else DeploymentHandle(Limiter.__name__, elsewhere)
    handles = StageHandles(stages, stages, stages, stages, stages, stages)
    runner = _deployed(JobRunner, replicas=job_runners).bind(settings, handles, CALLBACK_FORMS)
    ingress: Application = _deployed(Ingress, replicas=ingress_replicas).bind(settings, handles, limiter, runner)
    return ingress


def stand_in_limiter(settings: Settings) -> Application:
    """The real one."""
    limiter: Application = _deployed(Limiter).bind(LimiterConfig(lease_ttl_s=settings.access.lease_ttl_s))
    return limiter


def _deployed(stage: type[Any], name: str | None = None, replicas: int = 1) -> Any:
    """With a small share of the machine."""
    return serve.deployment(
        name=name or stage.__name__,
        num_replicas=replicas,
        max_ongoing_requests=1000,
        ray_actor_options={"num_cpus": 0.05},
        health_check_period_s=1.0,
        graceful_shutdown_timeout_s=2.0,
    )(stage)
