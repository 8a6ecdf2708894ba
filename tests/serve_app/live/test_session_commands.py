"""What a client may ask of a live session besides hearing it: finalize, clear, close."""

from __future__ import annotations

import asyncio

import pytest

from deployments.errors import IllegalMove
from serve_app.live.contracts import Final, SessionEnded
from tests.fakes.live_audio import ScriptedHearing, silence, speech
from tests.fakes.live_bench import LiveBench, held

pytestmark = pytest.mark.unit


def test_finalize_ends_the_utterance_in_the_middle_of_speech() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1))
        await bench.session.finalize()
        await bench.play(speech(1) + silence(1))
        await bench.close()

    bench = held(LiveBench(), talk)
    assert bench.texts() == ["word0 word1", "word2 word3"]
    assert [final.from_finalize for final in bench.said(Final)] == [True, False]


def test_finalize_in_silence_is_answered_with_an_empty_final_behind_those_that_are_due() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.session.finalize()
        await bench.play(speech(1) + silence(0.7))
        await bench.session.finalize()
        await bench.close()

    bench = held(LiveBench(hearing=ScriptedHearing(final_s=1.0)), talk)
    assert bench.texts() == ["", "word0 word1", ""]
    assert [final.from_finalize for final in bench.said(Final)] == [True, False, True]


def test_finalize_during_a_pause_takes_the_trial() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1) + silence(0.3))
        await bench.session.finalize()
        await asyncio.sleep(1)

    bench = held(LiveBench(hearing=ScriptedHearing(final_s=0.5)), talk)
    assert bench.texts() == ["word0 word1"]
    assert len(bench.hearing.finals) == 1


def test_clear_forgets_the_running_utterance_and_its_number() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(2))
        await bench.session.clear()
        await bench.play(silence(1) + speech(1) + silence(1))
        await bench.close()

    bench = held(LiveBench(), talk)
    assert bench.texts() == ["word6 word7"]
    assert [final.utterance for final in bench.said(Final)] == [1]


def test_clear_stops_the_recognition() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1))
        assert bench.hearing.running == 1
        await bench.session.clear()
        await asyncio.sleep(0.01)
        assert bench.hearing.running == 0

    held(LiveBench(hearing=ScriptedHearing(partial_s=5.0)), talk)


def test_what_comes_behind_close_is_illegal_and_ends_nothing() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1))
        await bench.session.close()
        for call in (bench.session.finalize, bench.session.clear, bench.session.close):
            with pytest.raises(IllegalMove):
                await call()
        with pytest.raises(IllegalMove, match="Cannot feed while the session is closing"):
            await bench.session.feed(b"")
        await bench.ended()

    bench = held(LiveBench(), talk)
    assert isinstance(bench.events[-1], SessionEnded)
