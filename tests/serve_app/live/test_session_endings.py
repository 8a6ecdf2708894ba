"""How a live session ends before its client closes it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from deployments.errors import (
    ClientTooFast,
    GoingAway,
    IllegalMove,
    Overloaded,
    ServiceUnavailable,
    SessionTooLong,
    StageLost,
    UnsupportedAudio,
)
from serve_app.live.contracts import AudioFormat, Encoding, Final, SessionEnded
from tests.fakes.live_audio import ScriptedHearing, half_seconds, silence, speech
from tests.fakes.live_bench import LIMITS, LiveBench, held, saying
from tests.fakes.virtual_time import run_virtually

pytestmark = pytest.mark.unit


def test_the_longest_session_ends_behind_its_last_words() -> None:
    async def talk(bench: LiveBench) -> None:
        with pytest.raises(SessionTooLong):
            await bench.play(speech(20))
        await bench.ended()

    bench = held(LiveBench(limits=replace(LIMITS, longest_s=5.0)), talk)
    assert isinstance(bench.error, SessionTooLong)
    assert bench.texts() == [" ".join(half_seconds(0, 4.9))]


def test_a_session_that_is_closed_for_a_reason_says_its_last_words_and_then_why() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1))
        bench.session.close_for(GoingAway("this process stops"))
        # The client may not know yet.
        for call in (bench.session.feed(speech(1)), bench.session.finalize(), bench.session.clear()):
            await call
        await bench.close()
        with pytest.raises(GoingAway):
            await bench.session.feed(b"")

    bench = held(LiveBench(), talk)
    assert bench.texts() == ["word0 word1"]
    assert isinstance(bench.error, GoingAway)
    assert not bench.settled


def test_who_has_closed_a_session_ends_it_well_whatever_comes_then() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1))
        await bench.session.close()
        bench.session.close_for(GoingAway("this process stops"))
        await bench.ended()

    bench = held(LiveBench(), talk)
    assert bench.texts() == ["word0 word1"]
    assert bench.settled == [SessionEnded(1.0, 1.0)]


def test_a_client_that_is_too_fast_for_too_long_is_told_once_and_ends() -> None:
    async def talk(bench: LiveBench) -> None:
        with pytest.raises(ClientTooFast) as caught:
            await asyncio.gather(*(bench.session.feed(speech(0.1)) for _ in range(400)))
        await bench.ended()
        assert bench.error is caught.value
        with pytest.raises(ClientTooFast):
            await bench.session.close()

    held(LiveBench(), talk)


def test_a_recording_that_comes_at_once_is_taken_up_to_the_limit() -> None:
    async def talk(bench: LiveBench) -> None:
        for _ in range(140):
            await bench.session.feed(speech(0.1))
        await bench.close()

    bench = held(LiveBench(), talk)
    assert bench.texts() == [" ".join(half_seconds(0, 14))]


def test_a_service_that_falls_behind_does_not_blame_the_client() -> None:
    async def talk(bench: LiveBench) -> None:
        with pytest.raises(Overloaded):
            await bench.play((speech(2) + silence(1)) * 30)

    held(LiveBench(hearing=ScriptedHearing(final_s=500.0)), talk)


def test_what_cannot_be_decoded_ends_the_session() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.session.feed(b"no packet" * 10)
        await bench.ended()
        with pytest.raises(UnsupportedAudio):
            await bench.session.feed(b"no packet")

    bench = held(LiveBench(audio=AudioFormat(Encoding.OPUS)), talk)
    assert isinstance(bench.error, UnsupportedAudio)


def test_an_error_that_nobody_expects_ends_the_session() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(0.7))
        await bench.ended()

    bench = held(LiveBench(hearing=ScriptedHearing(errors=[RuntimeError("a bug")])), talk)
    assert isinstance(bench.error, RuntimeError)


def test_a_session_whose_own_work_is_cancelled_under_it_ends_with_an_error() -> None:
    async def cancelled(_: Final) -> Final:
        raise asyncio.CancelledError

    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1) + silence(1))
        async with asyncio.timeout(60):
            await bench.close()

    bench = held(LiveBench(polish=cancelled), talk)
    assert isinstance(bench.error, StageLost)
    assert not bench.settled


def test_leaving_cancels_what_runs_at_once() -> None:
    bench = LiveBench(hearing=ScriptedHearing(partial_s=100.0, final_s=100.0))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with bench.open():
            await bench.play(speech(1) + silence(0.6) + speech(1))
            assert bench.hearing.running == 2
            left_s = loop.time()
        assert loop.time() - left_s < 0.1
        assert bench.hearing.running == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
        with pytest.raises(IllegalMove):
            await bench.session.feed(b"")

    run_virtually(main)


def test_an_end_that_cannot_be_recorded_is_an_error() -> None:
    bench = held(LiveBench(settle_error=ServiceUnavailable("no database")), saying(speech(1) + silence(1)))
    assert isinstance(bench.error, ServiceUnavailable)
    assert not bench.said(SessionEnded)
