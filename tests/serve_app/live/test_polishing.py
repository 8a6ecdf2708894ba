from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from deployments.contracts import (
    Refined,
    RefinementContext,
    RefinementTask,
    Segment,
    TranscriptionWarning,
    WarningCode,
    Word,
)
from deployments.errors import Overloaded, StageLost
from serve_app.live.contracts import Final, LiveEvent, Partial, SessionEnded
from serve_app.live.polishing import StagePolish
from tests.fakes.live_audio import ScriptedHearing, silence, speech
from tests.fakes.live_bench import LiveBench
from tests.fakes.stages import FakeGraph, FakeStage
from tests.fakes.virtual_time import run_virtually

pytestmark = pytest.mark.unit

WORDS = (Word("cuber", 10.0, 10.4, 0.4, "SPEAKER_00"), Word("netties.", 10.5, 10.9, 0.4, "SPEAKER_00"))
FINAL = Final(3, "cuber netties.", WORDS, 10.0, 10.9, "en", "SPEAKER_00", snr_db=20.0)
TASK = RefinementTask(context=RefinementContext(text="We run Kubernetes."), polish_timeout_s=5.0)
REJECTED = TranscriptionWarning(WarningCode.LLM_REFINEMENT_REJECTED, "not safe")


def polished(answer: Callable[..., Any]) -> tuple[Final, FakeGraph]:
    graph = FakeGraph()
    graph.refiner = FakeStage(polish=answer)
    final: Final = run_virtually(lambda: StagePolish(graph.handles(), TASK)(FINAL))
    return final, graph


def test_the_refiner_polishes_the_words_of_a_final() -> None:
    word = Word("Kubernetes.", 10.0, 10.9, 0.4, "SPEAKER_00", original="cuber netties")

    async def polish(segments: tuple[Segment, ...], task: RefinementTask) -> Refined:
        assert segments == (Segment(10.0, 10.9, "cuber netties.", "en", WORDS, "SPEAKER_00"),)
        assert task is TASK
        return Refined((replace(segments[0], text="Kubernetes.", words=(word,)),), (REJECTED,), polished=True)

    final, _ = polished(polish)
    assert final == replace(FINAL, text="Kubernetes.", words=(word,), polished=True, warnings=(REJECTED,))


@pytest.mark.parametrize(
    "error",
    # Cancelled: the worker goes away, and what it had in hand with it.
    [Overloaded("full"), StageLost("gone"), ValueError("a mistake of ours"), asyncio.CancelledError()],
)
def test_a_final_that_cannot_be_polished_stays(error: BaseException) -> None:
    async def fail(*_: Any) -> None:
        raise error

    final, _ = polished(fail)
    assert [warning.code for warning in final.warnings] == [WarningCode.LLM_REFINEMENT_UNAVAILABLE]
    assert replace(final, warnings=()) == FINAL


def test_a_refiner_that_does_not_answer_is_given_up() -> None:
    async def hang(*_: Any) -> None:
        await asyncio.sleep(3600)

    final, graph = polished(hang)
    assert final.text == FINAL.text
    assert graph.refiner.polish.responses[0].cancelled


@dataclass
class ShoutingPolish:
    """Implements Polish: capitals, after a delay."""

    delay_s: float
    running: int = 0
    utterances: list[int] = field(default_factory=list)

    async def __call__(self, final: Final) -> Final:
        self.utterances.append(final.utterance)
        self.running += 1
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.running -= 1
        words = tuple(replace(word, text=word.text.upper()) for word in final.words)
        return replace(final, text=final.text.upper(), words=words, polished=True)


def session(polish: ShoutingPolish, *, hang_up_after_s: float | None = None) -> LiveBench:
    bench = LiveBench(polish=polish)

    async def main() -> None:
        async with bench.open():
            playing = asyncio.create_task(bench.play(silence(1) + speech(2) + silence(2) + speech(1) + silence(1)))
            if hang_up_after_s is not None:
                await asyncio.sleep(hang_up_after_s)
                playing.cancel()
                await asyncio.wait([playing])
                return
            await playing
            await bench.session.finalize()
            await bench.close()

    run_virtually(main)
    return bench


def told(event: LiveEvent) -> tuple[str, bool, bool]:
    assert isinstance(event, Final)
    return event.text, event.is_provisional, event.polished


def test_finals_come_as_recognised_and_then_polished() -> None:
    bench = session(ShoutingPolish(0.5))
    finals = bench.said(Final)
    assert [told(final) for final in finals] == [
        ("word2 word3 word4 word5", True, False),
        ("WORD2 WORD3 WORD4 WORD5", False, True),
        ("word10 word11", True, False),
        # Nothing was said before the client asked for a final: there is nothing to polish.
        ("", False, False),
        ("WORD10 WORD11", False, True),
    ]
    assert [final.utterance for final in finals] == [0, 0, 1, 2, 1]


def test_neither_the_next_utterance_nor_its_partial_texts_wait_for_the_model() -> None:
    polish = ShoutingPolish(30.0)
    quick, slow = session(ShoutingPolish(0.0)), session(polish)

    def provisional(bench: LiveBench) -> list[tuple[float, LiveEvent]]:
        said = zip(bench.times_s, bench.events, strict=True)
        return [
            (at, event) for at, event in said if isinstance(event, Partial) or getattr(event, "is_provisional", False)
        ]

    assert provisional(slow) == provisional(quick)
    assert [told(final)[0] for final in slow.said(Final)] == [
        "word2 word3 word4 word5",
        "word10 word11",
        "",
        "WORD2 WORD3 WORD4 WORD5",
        "WORD10 WORD11",
    ]


def test_the_end_waits_for_the_last_polish_and_is_charged_as_ever() -> None:
    bench = session(ShoutingPolish(30.0))
    assert bench.events[-1] == SessionEnded(7.0, 7.0)
    assert bench.settled == [SessionEnded(7.0, 7.0)]
    assert bench.error is None


def test_a_client_that_goes_stops_the_model() -> None:
    polish = ShoutingPolish(30.0)
    bench = session(polish, hang_up_after_s=5.0)
    assert (polish.utterances, polish.running) == ([0], 0)
    assert [told(final)[1] for final in bench.said(Final)] == [True]


def test_a_worker_that_goes_while_it_polishes_costs_the_polish_and_not_the_session() -> None:
    async def gone(*_: Any) -> None:
        raise asyncio.CancelledError

    graph = FakeGraph()
    graph.refiner = FakeStage(polish=gone)
    bench = LiveBench(polish=StagePolish(graph.handles(), TASK))

    async def main() -> None:
        async with bench.open():
            await bench.play(speech(1) + silence(1) + speech(1) + silence(1))
            async with asyncio.timeout(60):
                await bench.close()

    run_virtually(main)
    assert [(told(final)[0], told(final)[1]) for final in bench.said(Final) if not final.is_provisional] == [
        ("word0 word1", False),
        ("word4 word5", False),
    ]
    assert bench.events[-1] == SessionEnded(4.0, 4.0)


def test_what_is_told_of_an_utterance_comes_with_both_of_its_finals_and_with_no_empty_one() -> None:
    switched = TranscriptionWarning(WarningCode.INLINE_CODE_SWITCH_PARTIAL, "two languages")
    bench = LiveBench(ScriptedHearing(warnings=(switched,)), polish=ShoutingPolish(0.5))

    async def main() -> None:
        async with bench.open():
            await bench.play(silence(1) + speech(2) + silence(2))
            await bench.session.finalize()
            await bench.close()

    run_virtually(main)
    assert [(bool(final.text), final.is_provisional, final.warnings) for final in bench.said(Final)] == [
        (True, True, (switched,)),
        (True, False, (switched,)),
        (False, False, ()),
    ]


def test_without_a_polish_finals_come_once() -> None:
    bench = LiveBench(hearing=ScriptedHearing())

    async def main() -> None:
        async with bench.open():
            await bench.play(silence(1) + speech(2) + silence(2))
            await bench.close()

    run_virtually(main)
    assert [told(final) for final in bench.said(Final)] == [("word2 word3 word4 word5", False, False)]
