"""What compressed audio counts as before it is decoded."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from deployments.contracts import SAMPLE_RATE_HZ
from deployments.errors import ClientTooFast, SessionTooLong
from serve_app.live.backlog import Backlog
from serve_app.live.contracts import AudioFormat, Encoding
from tests.fakes.live_bench import LIMITS, LiveBench, held
from tests.fakes.opus_streams import ogg_page

pytestmark = pytest.mark.unit

OGG = AudioFormat(Encoding.OGG_OPUS)
PAGES = ogg_page([], b"", flags=2) + ogg_page([], b"") * 2047
"""55 296 bytes without any audio in them."""


def test_what_bytes_hold_is_learned_from_those_before_them() -> None:
    backlog = Backlog(OGG)
    for _ in range(100):
        backlog.received(8_000, 0.0)
        backlog.decoded(8_000, 2 * SAMPLE_RATE_HZ)
    assert backlog.duration_s(4_000) == pytest.approx(1.0, rel=0.01)
    assert backlog.decoded_s == pytest.approx(200.0)


def test_bytes_without_audio_never_count_for_less_than_the_densest_audio() -> None:
    backlog = Backlog(OGG)
    for _ in range(100):
        backlog.received(64_000, 0.0)
        backlog.decoded(64_000, 0)
    assert backlog.duration_s(64_000) == pytest.approx(1.0)
    assert backlog.decoded_s == pytest.approx(100.0)
    backlog.received(640_000, 0.0)
    assert backlog.waiting_s == pytest.approx(10.0)


def test_too_many_pages_without_audio_cannot_wait() -> None:
    async def talk(bench: LiveBench) -> None:
        for _ in range(10):
            await bench.session.feed(PAGES)
            await asyncio.sleep(10)
        with pytest.raises(ClientTooFast):
            await asyncio.gather(*(bench.session.feed(PAGES) for _ in range(40)))
        await bench.ended()

    held(LiveBench(audio=OGG), talk)


def test_pages_without_audio_take_the_time_of_a_session() -> None:
    async def flood(bench: LiveBench) -> None:
        for _ in range(15):
            await bench.session.feed(PAGES)
            await asyncio.sleep(0.5)

    async def talk(bench: LiveBench) -> None:
        with pytest.raises(SessionTooLong):
            await flood(bench)
        await bench.ended()

    bench = held(LiveBench(audio=OGG, limits=replace(LIMITS, longest_s=8.0)), talk)
    assert isinstance(bench.error, SessionTooLong)
    assert bench.session.usage.audio_s == 0.0
