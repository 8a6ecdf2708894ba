"""Real speech through the real engines, in one process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from deployments.contracts import SAMPLE_RATE_HZ, Samples, VocabularyTerm
from deployments.recognition.batches import BatchLimits
from deployments.recognition.deployment import Recognizer, RecognizerConfig
from deployments.recognition.engines import RecognitionEngineOptions
from deployments.recognition.windows import WindowSettings
from deployments.refinement.deployment import Refiner, RefinerConfig
from serve_app.live.contracts import AudioFormat, Encoding, Final, LiveEvent, LiveOptions, Partial, SessionEnded
from serve_app.live.service import EngineLiveService
from serve_app.settings import Settings
from tests.fakes.live_bench import check_order
from tests.fakes.recordings import TWO_CITIES, recording
from tests.fakes.stages import FakeGraph, FakeStage
from tests.serve_app.live.charges import VISIT, Charges

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    options = RecognitionEngineOptions(beams=4)
    config = RecognizerConfig("moonshine-tiny-en", options, BatchLimits(), WindowSettings(longest_s=15.0))
    return Recognizer(config)


def service_with(recognizer: Recognizer) -> EngineLiveService:
    graph = FakeGraph()
    graph.recognizer = FakeStage(recognize=recognizer.recognize)
    graph.refiner = FakeStage(refine=Refiner(RefinerConfig()).refine)
    return EngineLiveService(Settings(), graph.handles(), Charges())


def pieces(samples: Samples) -> Iterator[bytes]:
    """A tenth of a second each."""
    pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")
    for start in range(0, len(pcm), SAMPLE_RATE_HZ // 10):
        yield bytes(pcm[start : start + SAMPLE_RATE_HZ // 10].data)


async def heard(service: EngineLiveService, samples: Samples, options: LiveOptions) -> list[LiveEvent]:
    """Everything a session says about a recording that is spoken some times as fast as it was."""
    events: list[LiveEvent] = []
    async with service.open(VISIT, options) as session:

        async def read() -> None:
            events.extend([event async for event in session.events()])

        reader = asyncio.create_task(read())
        for piece in pieces(samples):
            await session.feed(piece)
            await asyncio.sleep(0.01)
        await session.close()
        await reader
    return events


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


async def test_what_was_said_is_heard_as_it_is_in_a_file(recognizer: Recognizer) -> None:
    events = await heard(
        service_with(recognizer), recording("beckett"), LiveOptions("beckett", partial_interval_s=0.05)
    )
    check_order(events)
    finals = [event for event in events if isinstance(event, Final)]
    text = " ".join(final.text for final in finals)
    for phrase in ("Ever tried", "Ever failed", "No matter", "Try again", "better"):
        assert phrase in text
    assert len(finals) == 6
    assert all(final.language == "en" and (final.snr_db or 0) > 10 for final in finals)
    starts_s = [word.start_s for final in finals for word in final.words]
    assert all(before < after for before, after in pairwise(starts_s))
    ended = events[-1]
    assert isinstance(ended, SessionEnded)
    assert ended.audio_s == pytest.approx(len(recording("beckett")) / SAMPLE_RATE_HZ)


async def test_a_cut_at_the_longest_utterance_loses_and_doubles_no_word(recognizer: Recognizer) -> None:
    samples = recording("two_cities")[: int(28.5 * SAMPLE_RATE_HZ)]
    options = LiveOptions("two-cities", endpointing=False, partials=False)
    events = await heard(service_with(recognizer), samples, options)
    check_order(events)
    finals = [event for event in events if isinstance(event, Final)]
    assert len(finals) >= 2
    said, expected = words_of(" ".join(final.text for final in finals)), words_of(TWO_CITIES)
    assert abs(len(said) - len(expected)) <= 3
    assert sum(word in said for word in expected) >= len(expected) - 3


async def test_vocabulary_and_plain_text_reach_live_words(recognizer: Recognizer) -> None:
    samples = recording("beckett")[int(7.6 * SAMPLE_RATE_HZ) :]
    options = LiveOptions("v", vocabulary=(VocabularyTerm("Fail better"),), punctuate=False)
    events = await heard(service_with(recognizer), samples, options)
    (final,) = [event for event in events if isinstance(event, Final)]
    # Without the vocabulary it hears "Fell better."
    assert final.text == "Fail better"
    assert any(word.boosted for word in final.words)


async def test_other_encodings_are_heard_alike(recognizer: Recognizer) -> None:
    samples = np.clip(recording("beckett")[: int(1.9 * SAMPLE_RATE_HZ)], -1.0, 1.0)
    wide = (samples * (2**31 - 1)).astype("<i4")
    audio = AudioFormat(Encoding.PCM_S32, SAMPLE_RATE_HZ)
    async with service_with(recognizer).open(VISIT, LiveOptions("wide", audio=audio)) as session:
        await session.feed(bytes(wide.data))
        await session.close()
        events = [event async for event in session.events()]
    assert [event.text for event in events if isinstance(event, Final)] == ["Ever tried."]
    assert not any(isinstance(event, Partial) and event.stable_words for event in events)
