from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from deployments.errors import (
    ClientTooFast,
    IllegalMove,
    Overloaded,
    ServiceUnavailable,
    SessionIdle,
    SessionTooLong,
    StageLost,
    UnsupportedAudio,
)
from deployments.signal_table import LIVE_UTTERANCES
from serve_app.live.contracts import AudioFormat, Encoding, Final, Partial, SessionEnded, SpeechEnded, SpeechStarted
from serve_app.live.endpointing import EndpointingSettings
from tests.fakes.live_audio import ScriptedHearing, half_seconds, silence, speech
from tests.fakes.live_bench import LIMITS, LISTENING, LiveBench, check_order
from tests.fakes.virtual_time import run_virtually

pytestmark = pytest.mark.unit


def held(bench: LiveBench, talk: Callable[[LiveBench], Awaitable[None]]) -> LiveBench:
    """A whole session in virtual time."""

    async def main() -> None:
        async with bench.open():
            await talk(bench)
        assert bench.hearing.running == 0

    run_virtually(main)
    check_order(bench.events)
    return bench


async def close(bench: LiveBench) -> None:
    await bench.session.close()
    await bench.ended()


def test_two_utterances_from_start_to_end() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(silence(1) + speech(2) + silence(2) + speech(1) + silence(1))
        await close(bench)

    bench = held(LiveBench(), talk)
    assert bench.texts() == ["word2 word3 word4 word5", "word10 word11"]
    assert bench.events[-1] == SessionEnded(7.0, 7.0)
    assert bench.settled == [SessionEnded(7.0, 7.0)]
    assert [round(event.at_s) for event in bench.said(SpeechStarted)] == [1, 5]
    assert [round(event.at_s) for event in bench.said(SpeechEnded)] == [3, 6]
    final = bench.said(Final)[0]
    assert (final.language, final.from_finalize) == ("en", False)
    assert final.start_s == pytest.approx(1.0, abs=0.1)


def test_partials_come_once_in_their_interval_while_somebody_speaks() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(silence(0.5) + speech(8) + silence(1))

    bench = held(LiveBench(), talk)
    times_s = bench.when_s(Partial)
    assert times_s[0] <= 0.5 + 1.0
    gaps_s = [after - before for before, after in pairwise(times_s)]
    assert max(gaps_s) <= 1.0
    # The trial of the final text is shown when it is there.
    assert min(gaps_s[:-1]) >= 0.5 - 1e-6
    assert [partial.stable_words for partial in bench.said(Partial)][-1] >= 15


def test_a_slow_recogniser_gets_one_partial_at_a_time_and_half_of_the_time() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(10))
        assert bench.hearing.running <= 1

    bench = held(LiveBench(hearing=ScriptedHearing(partial_s=0.9)), talk)
    starts_s = bench.hearing.partials
    assert all(after - before >= 1.7 for before, after in pairwise(starts_s))


def test_the_final_text_is_recognised_while_the_silence_lasts() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(2) + silence(1))

    bench = held(LiveBench(hearing=ScriptedHearing(final_s=0.25)), talk)
    (final_s,) = bench.when_s(Final)
    # 0.5 s of silence, a window, a message; and nothing of the 0.25 s.
    assert final_s <= 2.0 + 0.5 + 0.032 + 0.1 + 1e-6
    assert len(bench.hearing.finals) == 1


def test_a_pause_that_does_not_last_makes_a_partial_of_the_trial() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(2) + silence(0.35) + speech(1) + silence(1))

    bench = held(LiveBench(hearing=ScriptedHearing(final_s=0.2)), talk)
    assert bench.texts() == ["word0 word1 word2 word3 word4 word5 word6"]
    assert len(bench.hearing.finals) == 2
    assert bench.hearing.cancelled == 0
    assert any(partial.end_s == pytest.approx(2.0, abs=0.01) for partial in bench.said(Partial))


def test_finals_keep_their_order_and_the_next_partials_wait_for_them() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1) + silence(1) + speech(2) + silence(1))
        await close(bench)

    bench = held(LiveBench(hearing=ScriptedHearing(final_s=2.5)), talk)
    assert bench.texts() == ["word0 word1", "word4 word5 word6 word7"]


def test_finalize_ends_the_utterance_in_the_middle_of_speech() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1))
        await bench.session.finalize()
        await bench.play(speech(1) + silence(1))
        await close(bench)

    bench = held(LiveBench(), talk)
    assert bench.texts() == ["word0 word1", "word2 word3"]
    assert [final.from_finalize for final in bench.said(Final)] == [True, False]


def test_finalize_in_silence_is_answered_with_an_empty_final_behind_those_that_are_due() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.session.finalize()
        await bench.play(speech(1) + silence(0.7))
        await bench.session.finalize()
        await close(bench)

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
        await close(bench)

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


def test_an_utterance_beyond_the_longest_is_cut_and_no_word_is_lost_or_doubled() -> None:
    async def talk(bench: LiveBench) -> None:
        # The pauses between these words are at whole seconds, where a cut belongs.
        await bench.play((speech(0.9) + silence(0.1)) * 40)
        await close(bench)

    bench = held(LiveBench(), talk)
    words = " ".join(bench.texts()).split()
    assert words == half_seconds(0, 40)
    assert len(bench.said(Final)) >= 3
    assert len(bench.said(SpeechStarted)) == 1


def test_without_endpointing_silence_ends_nothing() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1) + silence(3) + speech(1) + silence(3))
        assert not bench.said(Final)
        await bench.session.finalize()
        await close(bench)

    bench = held(LiveBench(endpointing=EndpointingSettings(silence_ends_utterances=False)), talk)
    assert bench.texts() == ["word0 word1 word8 word9"]


def test_an_utterance_of_the_most_words_ends_between_two_of_them() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play((speech(0.9) + silence(0.1)) * 8 + silence(1))
        await close(bench)

    listening = replace(LISTENING, max_words=4, partials=False)
    bench = held(LiveBench(listening=listening), talk)
    assert not bench.said(Partial)
    assert " ".join(bench.texts()).split() == half_seconds(0, 8)
    assert [len(final.words) for final in bench.said(Final)][:3] == [4, 4, 4]


def test_words_without_speech_are_not_believed() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(0.16) + silence(1))
        await close(bench)

    class Chatterer(ScriptedHearing):
        async def __call__(self, excerpt: Any, *, is_partial: bool) -> Any:
            heard = await super().__call__(excerpt, is_partial=is_partial)
            return replace(heard, words=heard.words * 5)

    bench = held(LiveBench(hearing=Chatterer()), talk)
    assert bench.texts() == [""]
    assert [ended.billable_s for ended in bench.settled] == [0.0]


def test_silence_costs_nothing_and_says_nothing() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(silence(3))
        await close(bench)

    assert held(LiveBench(), talk).events == [SessionEnded(3.0, 0.0)]


def test_a_session_without_a_message_ends_idle_and_says_so_behind_its_last_words() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1))
        await bench.ended()
        assert asyncio.get_running_loop().time() == pytest.approx(61, abs=1)
        with pytest.raises(SessionIdle):
            await bench.session.feed(b"")

    bench = held(LiveBench(), talk)
    assert bench.texts() == ["word0 word1"]
    assert isinstance(bench.error, SessionIdle)
    assert not bench.settled


def test_the_longest_session_ends_behind_its_last_words() -> None:
    async def talk(bench: LiveBench) -> None:
        with pytest.raises(SessionTooLong):
            await bench.play(speech(20))
        await bench.ended()

    bench = held(LiveBench(limits=replace(LIMITS, longest_s=5.0)), talk)
    assert isinstance(bench.error, SessionTooLong)
    assert bench.texts() == [" ".join(half_seconds(0, 4.9))]


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
        await close(bench)

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


def test_a_partial_that_cannot_be_had_is_left_out() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(2) + silence(1))
        await close(bench)

    bench = held(LiveBench(hearing=ScriptedHearing(errors=[Overloaded("full"), StageLost("gone")])), talk)
    assert bench.texts() == ["word0 word1 word2 word3"]
    assert bench.error is None


def test_a_trial_that_failed_is_made_again() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(0.4) + silence(1))
        await close(bench)

    bench = held(LiveBench(hearing=ScriptedHearing(errors=[StageLost("gone")])), talk)
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
        await close(bench)

    bench = held(LiveBench(hearing=Forgetful(2.0)), talk)
    first, second, third = bench.said(Final)
    assert [final.text for final in (first, second, third)] == ["word0 word1", "", "word8 word9"]
    assert [final.failure is None for final in (first, second, third)] == [True, False, True]
    assert bench.signals.counted(LIVE_UTTERANCES, "completed") == 2
    assert bench.signals.counted(LIVE_UTTERANCES, "stage_lost") == 1
    assert 1.0 <= second.start_s <= 2.0
    assert 3.0 <= second.end_s <= 3.6
    assert bench.error is None
    assert bench.settled == [SessionEnded(6.0, 6.0 - (second.end_s - second.start_s))]


def test_a_finalize_is_answered_even_if_the_utterance_is_lost() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1))
        await bench.session.finalize()
        await close(bench)

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


def test_an_end_that_cannot_be_recorded_is_an_error() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1) + silence(1))
        await close(bench)

    bench = held(LiveBench(settle_error=ServiceUnavailable("no database")), talk)
    assert isinstance(bench.error, ServiceUnavailable)
    assert not bench.said(SessionEnded)


def test_only_what_was_read_counts_as_answered() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1) + silence(1) + speech(1))
        await asyncio.sleep(0.1)
        assert bench.session.usage.answered_s == pytest.approx(1.0, abs=0.1)
        assert bench.session.usage.audio_s == 3.0

    held(LiveBench(), talk)
