from __future__ import annotations

import pytest

from deployments.signal_table import LIVE_FINAL
from serve_app.live.backlog import Backlog
from serve_app.live.contracts import AudioFormat, Encoding, Final
from tests.fakes.live_audio import ScriptedHearing, messages, silence, speech
from tests.fakes.live_bench import LiveBench
from tests.fakes.virtual_time import run_virtually

pytestmark = pytest.mark.unit


def test_a_final_tells_how_long_after_the_speech_it_came() -> None:
    bench = LiveBench(hearing=ScriptedHearing(final_s=0.9))

    async def talk() -> None:
        async with bench.open():
            await bench.play(speech(2) + silence(2))
            await bench.close()

    run_virtually(talk)
    (latency_s,) = bench.signals.observed(LIVE_FINAL)
    (final_s,) = bench.when_s(Final)
    # The message with the end of speech came at 2 s, or one later: the detector's windows do not end with messages.
    assert final_s - 2.1 - 1e-6 <= latency_s <= final_s - 2.0 + 1e-6


def test_a_client_ahead_of_real_time_is_measured_by_the_clock() -> None:
    bench = LiveBench(hearing=ScriptedHearing(final_s=0.25))

    async def talk() -> None:
        async with bench.open():
            for message in messages(speech(2) + silence(2)):
                await bench.session.feed(message)
            await bench.close()

    run_virtually(talk)
    (latency_s,) = bench.signals.observed(LIVE_FINAL)
    assert latency_s == pytest.approx(0.25)


def test_what_silence_did_not_end_and_what_has_no_words_is_not_measured() -> None:
    bench = LiveBench()

    async def talk() -> None:
        async with bench.open():
            await bench.play(speech(1))
            await bench.session.finalize()
            await bench.play(silence(2))
            await bench.session.finalize()
            await bench.close()

    run_virtually(talk)
    assert len(bench.said(Final)) == 2
    assert bench.signals.observed(LIVE_FINAL) == []


def test_a_sample_came_with_its_message() -> None:
    backlog = Backlog(AudioFormat(Encoding.PCM_S16))
    for at in range(3):
        backlog.received(3200, float(at))
    backlog.decoded(3200, 1600)
    backlog.decoded(3200, 1600)
    assert [backlog.arrival_s(sample) for sample in (1, 1600, 1601, 3200)] == [0.0, 0.0, 1.0, 1.0]
    assert backlog.arrival_s(3201) == 2.0
    backlog.decoded(3200, 1600)
    assert backlog.arrival_s(4801) is None


def test_of_a_long_stream_the_last_arrivals_are_remembered() -> None:
    backlog = Backlog(AudioFormat(Encoding.PCM_S16))
    for at in range(10_000):
        backlog.received(640, float(at))
        backlog.decoded(640, 320)
    assert backlog.arrival_s(320) is None
    assert backlog.arrival_s(9_999 * 320) == 9_998.0
