"""What a client may ask of a live session besides hearing it: finalize, clear, close."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from deployments.errors import IllegalMove
from serve_app.live.contracts import Final, Partial, SessionEnded
from tests.fakes.live_audio import ScriptedHearing, silence, speech
from tests.fakes.live_bench import LISTENING, LiveBench, held

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


def test_what_was_told_before_a_clear_is_charged_if_the_session_ends_well() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(2))
        await bench.session.clear()
        await bench.play(silence(1))
        await bench.close()

    bench = held(LiveBench(), talk)
    assert bench.said(Partial)
    assert bench.settled == [SessionEnded(3.0, 3.0)]


def test_a_clear_before_any_text_costs_nothing() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(0.3))
        await bench.session.clear()
        await bench.close()

    bench = held(LiveBench(), talk)
    assert not bench.said(Partial)
    assert bench.settled == [SessionEnded(0.3, 0.0)]


def test_who_leaves_is_charged_for_what_was_told_of_cleared_and_running_utterances() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(2))
        cleared = bench.said(Partial)[-1]
        await bench.session.clear()
        assert bench.session.usage.answered_s == cleared.end_s
        await bench.play(silence(1) + speech(1))
        running = bench.said(Partial)[-1]
        assert running.utterance > cleared.utterance
        assert bench.session.usage.answered_s == running.end_s

    held(LiveBench(), talk)


def test_a_final_without_words_takes_back_what_partial_texts_told() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(2))
        assert bench.session.usage.answered_s > 0
        await bench.play(silence(1))
        assert bench.session.usage.answered_s == 0
        await bench.close()

    bench = held(LiveBench(listening=replace(LISTENING, snr_floor_db=100.0)), talk)
    assert bench.said(Partial)
    assert bench.texts() == [""]
    assert bench.settled == [SessionEnded(3.0, 0.0)]


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
