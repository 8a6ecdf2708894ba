"""Voices beside recognition, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from deployments.contracts import (
    NO_TERMS,
    LanguageSpan,
    RecognitionTask,
    RecognizedSpan,
    TimeSpan,
    Voiceprint,
    Waveform,
    Word,
)
from deployments.errors import Overloaded, StageLost
from serve_app.live.hearing import Excerpt, Heard
from serve_app.live.recognizing import HearingTask, StageHearing
from tests.fakes.stages import FakeGraph, FakeStage
from tests.fakes.virtual_time import run_virtually

pytestmark = pytest.mark.unit

EXCERPT = Excerpt(np.zeros(4 * 16_000, np.float32), 10.0, (TimeSpan(0.0, 4.0),), 3.0)
TASK = HearingTask(("en",), punctuate=True, vocabulary=NO_TERMS, timeout_s=5.0, voices=True)
VOICE = Voiceprint(np.eye(1, 256, dtype=np.float32)[0], 3.0)


def voiced(answer: Callable[[Waveform], Awaitable[Any]], recognition_s: float = 0.2, text: str = "yes") -> FakeGraph:
    """A graph whose recogniser takes a while."""

    async def recognize(
        waveform: Waveform, spans: tuple[LanguageSpan, ...], task: RecognitionTask
    ) -> tuple[RecognizedSpan, ...]:
        await asyncio.sleep(recognition_s)
        words = (Word(text, 0.5, 1.5, 0.9),) if text else ()
        return (RecognizedSpan(TimeSpan(0.0, 4.0), "en", words),)

    graph = FakeGraph()
    graph.recognizer = FakeStage(recognize=recognize)
    graph.diarizer = FakeStage(voiceprint=answer)
    return graph


def after(delay_s: float) -> Callable[[Waveform], Awaitable[Voiceprint]]:
    """A voice that takes a while."""

    async def answer(waveform: Waveform) -> Voiceprint:
        assert waveform.samples is EXCERPT.samples
        await asyncio.sleep(delay_s)
        return VOICE

    return answer


def failing(error: BaseException) -> Callable[[Waveform], Awaitable[Voiceprint]]:
    async def answer(waveform: Waveform) -> Voiceprint:
        raise error

    return answer


def heard_at(graph: FakeGraph, *, is_partial: bool = False) -> tuple[Heard, float]:
    """What was heard, and when."""

    async def main() -> tuple[Heard, float]:
        heard = await StageHearing(graph.handles(), TASK)(EXCERPT, is_partial=is_partial)
        return heard, asyncio.get_running_loop().time()

    result: tuple[Heard, float] = run_virtually(main)
    return result


@pytest.mark.parametrize(
    ("voice_s", "recognition_s", "heard_s"),
    [(0.1, 0.2, 0.2), (0.5, 0.2, 0.5), (0.9, 0.2, 0.9), (2.0, 3.0, 3.0)],
)
def test_a_final_takes_as_long_as_the_slower_of_words_and_voice(
    voice_s: float, recognition_s: float, heard_s: float
) -> None:
    heard, at_s = heard_at(voiced(after(voice_s), recognition_s))
    assert heard.voice is VOICE
    assert at_s == pytest.approx(heard_s)


@pytest.mark.parametrize(("recognition_s", "heard_s"), [(0.2, 1.0), (3.0, 3.0)])
def test_a_voice_that_does_not_come_is_left_out_and_cancelled(recognition_s: float, heard_s: float) -> None:
    graph = voiced(after(3600.0), recognition_s)
    heard, at_s = heard_at(graph)
    assert [word.text for word in heard.words] == ["yes"]
    assert heard.voice is None
    assert at_s == pytest.approx(heard_s)
    assert graph.diarizer.voiceprint.responses[0].cancelled


@pytest.mark.parametrize(
    "error", [Overloaded("full"), StageLost("gone"), RuntimeError("nobody expected this"), asyncio.CancelledError()]
)
def test_a_voice_that_fails_is_left_out_at_once(error: BaseException) -> None:
    heard, at_s = heard_at(voiced(failing(error)))
    assert [word.text for word in heard.words] == ["yes"]
    assert heard.voice is None
    assert at_s == pytest.approx(0.2)


def test_where_nothing_was_said_nobody_waits_for_the_voice() -> None:
    graph = voiced(after(0.9), text="")
    heard, at_s = heard_at(graph)
    assert heard == Heard((), "en")
    assert at_s == pytest.approx(0.2)
    assert graph.diarizer.voiceprint.responses[0].cancelled


def test_partials_have_no_voice() -> None:
    graph = voiced(after(0.0))
    assert heard_at(graph, is_partial=True)[0].voice is None
    assert graph.diarizer.voiceprint.calls == []


def test_when_recognition_fails_the_voice_is_cancelled() -> None:
    graph = voiced(after(0.9))

    async def full(waveform: Any, spans: Any, task: Any) -> None:
        await asyncio.sleep(0.1)
        raise Overloaded("full")

    graph.recognizer = FakeStage(recognize=full)
    with pytest.raises(Overloaded):
        heard_at(graph)
    assert graph.diarizer.voiceprint.responses[0].cancelled


def test_leaving_cancels_both() -> None:
    graph = voiced(after(3600.0), recognition_s=3600.0)

    async def main() -> None:
        task = asyncio.ensure_future(StageHearing(graph.handles(), TASK)(EXCERPT, is_partial=False))
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(main)
    assert graph.diarizer.voiceprint.responses[0].cancelled
    assert graph.recognizer.recognize.responses[0].cancelled
