from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deployments.contracts import (
    LanguageSpan,
    RecognitionTask,
    RecognizedSpan,
    Refined,
    RefinementTask,
    Segment,
    TimeSpan,
    TranscriptionWarning,
    Vocabulary,
    VocabularyTerm,
    WarningCode,
    Waveform,
    Word,
)
from deployments.errors import DeadlineExceeded, Overloaded, StageLost
from serve_app.live.hearing import Excerpt, Heard
from serve_app.live.recognizing import HearingTask, StageHearing
from tests.fakes.stages import FakeGraph, FakeStage
from tests.fakes.virtual_time import run_virtually

pytestmark = pytest.mark.unit

EXCERPT = Excerpt(np.zeros(4 * 16_000, np.float32), 10.0, (TimeSpan(0.0, 4.0),), 3.0)
TASK = HearingTask(("en",), punctuate=True, vocabulary=Vocabulary.of([VocabularyTerm("Kivo")]), timeout_s=5.0)


def hear(graph: FakeGraph, task: HearingTask = TASK, *, is_partial: bool = False) -> Heard:
    heard: Heard = run_virtually(lambda: StageHearing(graph.handles(), task)(EXCERPT, is_partial=is_partial))
    return heard


def recognizing(answer: Callable[..., Awaitable[Any]]) -> FakeGraph:
    graph = FakeGraph()
    graph.recognizer = FakeStage(recognize=answer)
    return graph


def test_words_are_placed_in_the_stream_and_refined() -> None:
    graph = FakeGraph()

    async def shout(segments: tuple[Segment, ...], task: RefinementTask) -> Refined:
        assert task == RefinementTask(True, TASK.vocabulary)
        shouted = (
            replace(segment, words=tuple(replace(word, text=word.text.upper()) for word in segment.words))
            for segment in segments
        )
        return Refined(tuple(shouted))

    graph.refiner = FakeStage(refine=shout)
    heard = hear(graph)
    assert [(word.text, word.start_s) for word in heard.words] == [
        ("WORD0,", 10.0),
        ("WORD1,", 11.0),
        ("WORD2,", 12.0),
        ("WORD3,", 13.0),
    ]
    assert heard.language == "en"


@pytest.mark.parametrize("is_partial", [True, False])
def test_the_recogniser_learns_that_it_is_live_and_whether_it_is_partial(is_partial: bool) -> None:
    graph = FakeGraph()
    hear(graph, is_partial=is_partial)
    ((waveform, spans, task),) = graph.recognizer.recognize.calls
    assert isinstance(waveform, Waveform)
    assert spans == (LanguageSpan(TimeSpan(0.0, 4.0), "en", 1.0),)
    assert isinstance(task, RecognitionTask)
    assert (task.live, task.partial) == (True, is_partial)


@pytest.mark.parametrize(("is_partial", "numerals"), [(True, False), (False, True)])
def test_numbers_of_finals_alone_are_written_in_digits(is_partial: bool, numerals: bool) -> None:
    graph = FakeGraph()
    hear(graph, replace(TASK, numerals=True), is_partial=is_partial)
    ((_, task),) = graph.refiner.refine.calls
    assert task.numerals is numerals


def test_times_that_overlap_or_leave_the_excerpt_are_put_right() -> None:
    async def untidy(waveform: Waveform, spans: Any, task: Any) -> tuple[RecognizedSpan, ...]:
        words = (Word("a", 0.5, 1.5, 0.9), Word("b", 1.2, 1.0, 0.9), Word("c", 3.9, 4.4, 0.9))
        return (RecognizedSpan(TimeSpan(0.0, 4.0), "en", words),)

    heard = hear(recognizing(untidy))
    assert [(word.start_s, word.end_s) for word in heard.words] == [(10.5, 11.5), (11.5, 11.5), (13.9, 14.0)]


def test_a_span_in_which_the_recogniser_looped_has_no_words() -> None:
    async def looping(waveform: Waveform, spans: Any, task: Any) -> tuple[RecognizedSpan, ...]:
        loop = TranscriptionWarning(WarningCode.DEGENERATE_OUTPUT_DROPPED, "")
        return (RecognizedSpan(TimeSpan(0.0, 4.0), "en", (Word("the", 0.5, 1.5, 0.9),), (loop,)),)

    assert hear(recognizing(looping)) == Heard((), "en")


def test_words_in_another_script_than_their_language_are_told_with_finals() -> None:
    async def mixed(waveform: Waveform, spans: Any, task: Any) -> tuple[RecognizedSpan, ...]:
        words = (Word("say", 0.5, 1.0, 0.9), Word("привет", 1.0, 1.5, 0.9))
        return (RecognizedSpan(TimeSpan(0.0, 4.0), "en", words),)

    (warning,) = hear(recognizing(mixed)).warnings
    assert warning.code is WarningCode.INLINE_CODE_SWITCH_PARTIAL
    assert hear(recognizing(mixed), is_partial=True).warnings == ()
    assert hear(FakeGraph()).warnings == ()


def test_of_several_languages_finals_are_identified_and_partials_take_the_last() -> None:
    graph = FakeGraph()

    async def identify(
        waveform: Any, regions: Any, candidates: tuple[str, ...], before: LanguageSpan | None
    ) -> tuple[LanguageSpan, ...]:
        assert candidates == ("de", "hi")
        return (LanguageSpan(TimeSpan(0.0, 1.0), "de", 0.9), LanguageSpan(TimeSpan(1.0, 4.0), "hi", 0.9))

    graph.language_identifier = FakeStage(identify=identify)

    async def main() -> list[str | None]:
        hearing = StageHearing(graph.handles(), replace(TASK, languages=("de", "hi")))
        return [(await hearing(EXCERPT, is_partial=is_partial)).language for is_partial in (True, True, False, True)]

    assert run_virtually(main) == ["hi"] * 4
    assert len(graph.language_identifier.identify.calls) == 2


def test_a_short_beginning_is_taken_to_be_in_the_language_of_the_utterance_before() -> None:
    graph = FakeGraph()
    answers = iter(["de", "hi", "de"])

    async def identify(
        waveform: Any, regions: Any, candidates: tuple[str, ...], before: LanguageSpan | None
    ) -> tuple[LanguageSpan, ...]:
        return tuple(LanguageSpan(region, next(answers), 0.9) for region in regions)

    graph.language_identifier = FakeStage(identify=identify)
    beginning = replace(EXCERPT, start_s=20.0, speech_s=1.0)

    async def main() -> list[str | None]:
        hearing = StageHearing(graph.handles(), replace(TASK, languages=("de", "hi")))
        heard = [
            await hearing(EXCERPT, is_partial=False),
            await hearing(beginning, is_partial=True),
            await hearing(replace(beginning, speech_s=3.0), is_partial=True),
            await hearing(replace(beginning, speech_s=3.5), is_partial=True),
            await hearing(replace(beginning, speech_s=3.5), is_partial=False),
        ]
        return [each.language for each in heard]

    assert run_virtually(main) == ["de", "de", "hi", "hi", "de"]
    befores = [call[3] for call in graph.language_identifier.identify.calls]
    # In seconds of the excerpt: the utterance before lasted from 10 to 14. What this one was taken for is no reason.
    assert befores == [None, *[LanguageSpan(TimeSpan(-10.0, -6.0), "de", 0.9)] * 2]


def test_a_guess_from_a_short_beginning_does_not_stick() -> None:
    graph = FakeGraph()
    answers = iter(["de", "hi"])

    async def identify(waveform: Any, regions: Any, candidates: Any, before: Any) -> tuple[LanguageSpan, ...]:
        return tuple(LanguageSpan(region, next(answers), 0.9) for region in regions)

    graph.language_identifier = FakeStage(identify=identify)

    async def main() -> list[str | None]:
        hearing = StageHearing(graph.handles(), replace(TASK, languages=("de", "hi")))
        beginning = replace(EXCERPT, speech_s=0.5)
        return [(await hearing(excerpt, is_partial=True)).language for excerpt in (beginning, EXCERPT)]

    assert run_virtually(main) == ["de", "hi"]


def test_an_utterance_of_two_languages_is_recognised_in_both_and_named_by_the_longer() -> None:
    graph = FakeGraph()
    regions = (TimeSpan(0.0, 1.0), TimeSpan(1.2, 4.0))

    async def identify(waveform: Any, regions: Any, candidates: Any, before: Any) -> tuple[LanguageSpan, ...]:
        return tuple(LanguageSpan(*label, 0.9) for label in zip(regions, ("de", "hi"), strict=True))

    graph.language_identifier = FakeStage(identify=identify)

    async def main() -> Heard:
        hearing = StageHearing(graph.handles(), replace(TASK, languages=("de", "hi")))
        return await hearing(replace(EXCERPT, regions=regions), is_partial=False)

    assert run_virtually(main).language == "hi"
    ((_, spans, _),) = graph.recognizer.recognize.calls
    assert [span.language for span in spans] == ["de", "hi"]


def test_a_final_is_tried_again_when_a_replica_dies_and_a_partial_is_not() -> None:
    attempts = 0

    async def dying(waveform: Any, spans: Any, task: Any) -> tuple[RecognizedSpan, ...]:
        nonlocal attempts
        attempts += 1
        if attempts % 2:
            raise StageLost("gone")
        return (RecognizedSpan(TimeSpan(0.0, 4.0), "en", (Word("yes", 0.5, 1.5, 0.9),)),)

    assert hear(recognizing(dying)).words[0].text == "yes"
    with pytest.raises(StageLost):
        hear(recognizing(dying), is_partial=True)


@pytest.mark.parametrize(("is_partial", "limit_s"), [(True, 3.0), (False, 5.0)])
def test_an_answer_that_does_not_come_is_cancelled_at_the_deadline(is_partial: bool, limit_s: float) -> None:
    async def hanging(waveform: Any, spans: Any, task: Any) -> None:
        await asyncio.sleep(3600)

    graph = recognizing(hanging)

    async def main() -> None:
        with pytest.raises(DeadlineExceeded):
            await StageHearing(graph.handles(), TASK)(EXCERPT, is_partial=is_partial)
        assert asyncio.get_running_loop().time() == pytest.approx(limit_s, abs=0.1)

    run_virtually(main)
    assert graph.recognizer.recognize.responses[0].cancelled


def test_leaving_cancels_the_call_in_its_stage() -> None:
    started = asyncio.Event()

    async def hanging(waveform: Any, spans: Any, task: Any) -> None:
        started.set()
        await asyncio.sleep(3600)

    graph = recognizing(hanging)

    async def main() -> None:
        task = asyncio.ensure_future(StageHearing(graph.handles(), TASK)(EXCERPT, is_partial=False))
        await started.wait()
        task.cancel()
        await asyncio.wait([task])

    run_virtually(main)
    assert graph.recognizer.recognize.responses[0].cancelled


def test_a_full_service_is_told() -> None:
    async def full(waveform: Any, spans: Any, task: Any) -> None:
        raise Overloaded("full")

    with pytest.raises(Overloaded):
        hear(recognizing(full))
