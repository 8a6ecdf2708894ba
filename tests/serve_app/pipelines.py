"""How the tests of the pipeline call it, and what its stages hear, fail with, or never answer."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from deployments.contracts import LanguageSpan, SpeechMap, TimeSpan, TranscriptionRequest
from serve_app.pipeline import Pipeline
from serve_app.settings import Settings
from tests.fakes.stages import FakeGraph, FakeStage

AUDIO = np.zeros(10, np.uint8)
REQUEST = TranscriptionRequest("req_1", language="en")
ANY_OF_THREE = TranscriptionRequest("req_1", candidates=("de", "en", "fr"))


def pipeline(graph: FakeGraph, settings: Settings | None = None) -> Pipeline:
    return Pipeline(graph.handles(), settings or Settings())


def fails(*errors: BaseException, then: Any) -> Any:
    """A stage method that raises each error once and then answers."""
    left = list(errors)

    async def answer(*args: Any) -> Any:
        if left:
            raise left.pop(0)
        return await then(*args)

    return answer


async def never(*_: Any) -> None:
    """A stage method that never answers."""
    await asyncio.Event().wait()


def speaking(*languages: str, seconds: float = 3.0) -> tuple[FakeGraph, list[LanguageSpan | None]]:
    """A graph whose recording has a region in each of the languages, and what each identification was told before."""
    graph = FakeGraph()
    regions = tuple(TimeSpan(at * 4.0, at * 4.0 + seconds) for at in range(len(languages)))
    graph.speech = SpeechMap(4.0 * len(languages), regions, 20.0)
    befores: list[LanguageSpan | None] = []

    async def identify(
        waveform: Any, regions: tuple[TimeSpan, ...], candidates: tuple[str, ...], before: LanguageSpan | None
    ) -> tuple[LanguageSpan, ...]:
        befores.append(before)
        return tuple(LanguageSpan(region, languages[int(region.start_s // 4)], 0.9) for region in regions)

    graph.language_identifier = FakeStage(identify=identify)
    return graph, befores
