"""A live session whose recogniser is lost now and then."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.errors import Overloaded, StageLost
from deployments.signal_table import LIVE_UTTERANCES
from serve_app.live.contracts import Final, SessionEnded
from tests.fakes.live_audio import ScriptedHearing, silence, speech
from tests.fakes.live_bench import LiveBench, held, saying

pytestmark = pytest.mark.unit


def test_a_partial_that_cannot_be_had_is_left_out() -> None:
    bench = held(
        LiveBench(hearing=ScriptedHearing(errors=[Overloaded("full"), StageLost("gone")])),
        saying(speech(2) + silence(1)),
    )
    assert bench.texts() == ["word0 word1 word2 word3"]
    assert bench.error is None


def test_a_trial_that_failed_is_made_again() -> None:
    bench = held(LiveBench(hearing=ScriptedHearing(errors=[StageLost("gone")])), saying(speech(0.4) + silence(1)))
    assert bench.texts() == ["word0"]
    assert len(bench.hearing.finals) == 2


class Forgetful(ScriptedHearing):
    """Loses the finals of speech that begins at these seconds of the stream."""

    def __init__(self, *lost_s: float) -> None:
        super().__init__()
        self.lost_s = lost_s

    async def __call__(self, excerpt: Any, *, is_partial: bool) -> Any:
        heard = await super().__call__(excerpt, is_partial=is_partial)
        if not is_partial and any(0 <= lost_s - excerpt.start_s < 1 for lost_s in self.lost_s):
            raise StageLost("gone")
        return heard


def test_an_utterance_that_cannot_be_had_is_lost_and_costs_nothing_and_the_session_goes_on() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play((speech(1) + silence(1)) * 3)
        _, second, third = bench.said(Final)
        # Who leaves now has got words up to the third, and one utterance less.
        assert bench.session.usage.answered_s == pytest.approx(third.end_s - (second.end_s - second.start_s))
        await bench.close()

    bench = held(LiveBench(hearing=Forgetful(2.0)), talk)
    first, second, third = bench.said(Final)
    assert [final.text for final in (first, second, third)] == ["word0 word1", "", "word8 word9"]
    assert [final.failure is None for final in (first, second, third)] == [True, False, True]
    assert bench.signals.counted(LIVE_UTTERANCES, "completed") == 2
    assert bench.signals.counted(LIVE_UTTERANCES, "stage_lost") == 1
    assert 1.0 <= second.start_s <= 2.0
    assert 3.0 <= second.end_s <= 3.6
    assert bench.error is None
    (ended,) = bench.settled
    assert ended.audio_s == 6.0
    assert ended.billable_s == pytest.approx(6.0 - (second.end_s - second.start_s))


def test_a_finalize_is_answered_even_if_the_utterance_is_lost() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1))
        await bench.session.finalize()
        await bench.close()

    bench = held(LiveBench(hearing=Forgetful(0.0)), talk)
    (final,) = bench.said(Final)
    assert (final.from_finalize, isinstance(final.failure, StageLost)) == (True, True)
    assert bench.settled == [SessionEnded(1.0, 0.0)]


def test_three_lost_utterances_in_a_row_end_the_session() -> None:
    async def talk(bench: LiveBench) -> None:
        with pytest.raises(StageLost):
            await bench.play((speech(1) + silence(1)) * 8)
        await bench.ended()

    bench = held(LiveBench(hearing=Forgetful(0.0, 2.0, 6.0, 8.0, 10.0)), talk)
    assert [final.failure is None for final in bench.said(Final)] == [False, False, True, False, False]
    assert isinstance(bench.error, StageLost)
    assert not bench.settled
