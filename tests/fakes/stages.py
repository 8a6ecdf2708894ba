"""Stages that answer from a script, behind handles like Serve's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deployments.contracts import (
    LanguageSpan,
    RecognitionTask,
    RecognizedSpan,
    Refined,
    RefinementTask,
    Segment,
    SpeakerCount,
    SpeakerTurn,
    SpeechMap,
    TimeSpan,
    TraceContext,
    Voiceprint,
    Waveform,
    Word,
)
from serve_app.pipeline import StageHandles


class FakeResponse:
    """A started call; can be awaited, cancelled, and passed on as an argument."""

    def __init__(self, work: Awaitable[Any]) -> None:
        self._task = asyncio.ensure_future(work)
        self.cancelled = False

    def __await__(self) -> Generator[Any, None, Any]:
        return self._task.__await__()

    def cancel(self) -> None:
        self.cancelled = True
        self._task.cancel()

    async def _to_object_ref(self) -> FakeResponse:
        """As an argument of the next call, it is what this one returned, or that call's failure."""
        return self


@dataclass
class FakeMethod:
    """One method of a stage; ``calls`` holds the arguments of every call, ``responses`` what was returned.

    Whose trace a call is part of is no argument to those that wait for it: it is in ``origins``.
    """

    answer: Callable[..., Awaitable[Any]]
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    responses: list[FakeResponse] = field(default_factory=list)
    origins: list[TraceContext | None] = field(default_factory=list)

    def remote(self, *args: Any, origin: TraceContext | None = None) -> FakeResponse:
        self.calls.append(args)
        self.origins.append(origin)
        response = FakeResponse(self._run(args))
        self.responses.append(response)
        return response

    async def _run(self, args: tuple[Any, ...]) -> Any:
        ready = [await argument if isinstance(argument, FakeResponse) else argument for argument in args]
        return await self.answer(*ready)


class FakeStage:
    """A deployment handle whose methods are given by name."""

    def __init__(self, **methods: Callable[..., Awaitable[Any]]) -> None:
        self._methods = {name: FakeMethod(answer) for name, answer in methods.items()}

    def __getattr__(self, name: str) -> FakeMethod:
        return self._methods[name]


class FakeGraph:
    """A whole graph: says "word N" for the Nth second of each region. Replace a stage to script it."""

    def __init__(self) -> None:
        self.speech = SpeechMap(4.0, (TimeSpan(0.5, 3.5),), 20.0)
        self.turns: tuple[SpeakerTurn, ...] = (SpeakerTurn("SPEAKER_00", 0.0, 2.0), SpeakerTurn("SPEAKER_01", 2.0, 4.0))
        self.decoder = FakeStage(decode=self._decode)
        self.speech_gate = FakeStage(inspect=self._inspect)
        self.language_identifier = FakeStage(identify=self._identify)
        self.recognizer = FakeStage(recognize=self._recognize)
        self.diarizer = FakeStage(diarize=self._diarize, voiceprint=self._voiceprint)
        self.refiner = FakeStage(refine=self._refine)

    def handles(self) -> StageHandles:
        return StageHandles(
            self.decoder,
            self.speech_gate,
            self.language_identifier,
            self.recognizer,
            self.diarizer,
            self.refiner,
        )

    async def _decode(self, data: Any, max_duration_s: float | None = None) -> str:
        return f"waveform of {len(data)} bytes"

    async def _inspect(self, waveform: Any) -> SpeechMap:
        return self.speech

    async def _identify(
        self,
        waveform: Any,
        regions: tuple[TimeSpan, ...],
        candidates: tuple[str, ...],
        before: LanguageSpan | None = None,
    ) -> tuple[LanguageSpan, ...]:
        return tuple(LanguageSpan(region, "en", 0.9) for region in regions)

    async def _recognize(
        self, waveform: Any, spans: tuple[LanguageSpan, ...], task: RecognitionTask
    ) -> tuple[RecognizedSpan, ...]:
        return tuple(RecognizedSpan(span.span, span.language, _words(span.span)) for span in spans)

    async def _diarize(self, waveform: Any, count: SpeakerCount) -> tuple[SpeakerTurn, ...]:
        return self.turns

    async def _voiceprint(self, waveform: Waveform) -> Voiceprint:
        return Voiceprint(np.eye(1, 256, dtype=np.float32)[0], waveform.duration_s)

    async def _refine(self, segments: tuple[Segment, ...], task: RefinementTask) -> Refined:
        return Refined(segments)


def _words(span: TimeSpan) -> tuple[Word, ...]:
    starts = range(int(span.start_s), int(span.end_s))
    return tuple(Word(f"word{at},", float(at), at + 0.9, 0.5) for at in starts)
