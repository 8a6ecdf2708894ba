"""The texts of a live session, and when they come."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from serve_app.live.contracts import Final, Partial, SessionEnded, SpeechEnded, SpeechStarted
from serve_app.live.endpointing import EndpointingSettings
from tests.fakes.live_audio import ScriptedHearing, half_seconds, silence, speech
from tests.fakes.live_bench import LISTENING, LiveBench, held, saying

pytestmark = pytest.mark.unit


def test_two_utterances_from_start_to_end() -> None:
    bench = held(LiveBench(), saying(silence(1) + speech(2) + silence(2) + speech(1) + silence(1)))
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
    gaps_s = [after - before for before, after in pairwise(bench.hearing.partials)]
    assert len(gaps_s) >= 3
    assert min(gaps_s) >= 1.7


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
    bench = held(
        LiveBench(hearing=ScriptedHearing(final_s=2.5)), saying(speech(1) + silence(1) + speech(2) + silence(1))
    )
    assert bench.texts() == ["word0 word1", "word4 word5 word6 word7"]


def test_an_utterance_beyond_the_longest_is_cut_and_no_word_is_lost_or_doubled() -> None:
    # The pauses between these words are at whole seconds, where a cut belongs.
    bench = held(LiveBench(), saying((speech(0.9) + silence(0.1)) * 40))
    words = " ".join(bench.texts()).split()
    assert words == half_seconds(0, 40)
    assert len(bench.said(Final)) >= 3
    assert len(bench.said(SpeechStarted)) == 1


def test_without_endpointing_silence_ends_nothing() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1) + silence(3) + speech(1) + silence(3))
        assert not bench.said(Final)
        await bench.session.finalize()
        await bench.close()

    bench = held(LiveBench(endpointing=EndpointingSettings(silence_ends_utterances=False)), talk)
    assert bench.texts() == ["word0 word1 word8 word9"]


def test_an_utterance_of_the_most_words_ends_between_two_of_them() -> None:
    listening = replace(LISTENING, max_words=4, partials=False)
    bench = held(LiveBench(listening=listening), saying((speech(0.9) + silence(0.1)) * 8 + silence(1)))
    assert not bench.said(Partial)
    assert " ".join(bench.texts()).split() == half_seconds(0, 8)
    assert [len(final.words) for final in bench.said(Final)][:3] == [4, 4, 4]


def test_words_without_speech_are_not_believed() -> None:
    class Chatterer(ScriptedHearing):
        async def __call__(self, excerpt: Any, *, is_partial: bool) -> Any:
            heard = await super().__call__(excerpt, is_partial=is_partial)
            return replace(heard, words=heard.words * 5)

    bench = held(LiveBench(hearing=Chatterer()), saying(speech(0.16) + silence(1)))
    assert bench.texts() == [""]
    assert [ended.billable_s for ended in bench.settled] == [0.0]


def test_silence_costs_nothing_and_says_nothing() -> None:
    assert held(LiveBench(), saying(silence(3))).events == [SessionEnded(3.0, 0.0)]


def test_only_what_was_read_counts_as_answered() -> None:
    async def talk(bench: LiveBench) -> None:
        await bench.play(speech(1) + silence(1) + speech(0.3))
        await asyncio.sleep(0.1)
        assert bench.session.usage.answered_s == pytest.approx(1.0, abs=0.1)
        assert bench.session.usage.audio_s == 2.3

    held(LiveBench(), talk)
