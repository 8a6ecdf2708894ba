from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest

from deployments.contracts import VocabularyTerm
from deployments.errors import InvalidParameter, ServiceUnavailable
from deployments.signal_table import LIVE_SESSIONS
from serve_app.access.pricing import Charge, Outcome
from serve_app.engine_settings import RecognitionSettings
from serve_app.live.contracts import AudioFormat, Final, LiveOptions, LiveService, SessionEnded
from serve_app.live.service import EngineLiveService
from serve_app.settings import Settings
from tests.fakes.live_audio import messages, silence
from tests.fakes.recordings import recording
from tests.fakes.signals import RecordedSignals
from tests.fakes.stages import FakeGraph
from tests.serve_app.live.charges import VISIT, Charges

# The voice activity detector is the real one.
pytestmark = pytest.mark.engine

OPTIONS = LiveOptions("session-1")
# "Ever tried." and a pause.
SPEECH = bytes((recording("beckett")[: int(1.9 * 16_000)] * 32767).astype("<i2").data)


@pytest.fixture
def charges() -> Charges:
    return Charges()


@pytest.fixture
def service(charges: Charges) -> LiveService:
    return EngineLiveService(Settings(), FakeGraph().handles(), charges)


async def spoken(session: Any, audio: bytes) -> None:
    for message in messages(audio):
        await session.feed(message)


async def test_a_session_that_ends_is_charged_for_its_audio_before_it_says_so(
    service: LiveService, charges: Charges
) -> None:
    async with service.open(VISIT, OPTIONS) as session:
        await spoken(session, SPEECH)
        await session.close()
        events = [event async for event in session.events()]
        expected = Charge(
            "session-1", "user-1", "key-1", "smallest_waves", 1.9, 1.9, diarized=False, outcome=Outcome.COMPLETED
        )
        assert charges.recorded == [expected]
    assert events[-1] == SessionEnded(1.9, 1.9, cost_micros=95)
    assert charges.noted == []


async def test_a_session_without_words_costs_nothing(service: LiveService, charges: Charges) -> None:
    async with service.open(VISIT, OPTIONS) as session:
        await spoken(session, silence(1))
        await session.close()
        assert [event async for event in session.events()] == [SessionEnded(1.0, 0.0)]
    assert [(charge.outcome, charge.billable_s) for charge in charges.recorded] == [(Outcome.NO_SPEECH, 0.0)]


async def test_a_session_that_is_left_is_charged_up_to_its_last_words(service: LiveService, charges: Charges) -> None:
    async with service.open(VISIT, OPTIONS) as session:
        await spoken(session, SPEECH)
        async for event in session.events():
            if isinstance(event, Final):
                break
    (charge,) = charges.noted
    assert isinstance(event, Final)
    assert (charge.outcome, charge.audio_s, charge.billable_s) == (Outcome.COMPLETED, 1.9, event.end_s)
    assert charges.recorded == []


async def test_a_session_that_is_left_without_words_costs_nothing(service: LiveService, charges: Charges) -> None:
    with pytest.raises(ZeroDivisionError):
        async with service.open(VISIT, OPTIONS):
            raise ZeroDivisionError
    assert [(charge.outcome, charge.billable_s) for charge in charges.noted] == [(Outcome.CANCELLED, 0.0)]


async def test_a_charge_that_cannot_be_recorded_is_noted_again(service: LiveService, charges: Charges) -> None:
    charges.error = ServiceUnavailable("no database")
    async with service.open(VISIT, OPTIONS) as session:
        await spoken(session, SPEECH)
        await session.close()
        with pytest.raises(ServiceUnavailable):
            assert [event async for event in session.events()] == []
    assert [charge.outcome for charge in charges.noted] == [Outcome.COMPLETED]


async def test_open_sessions_are_counted(charges: Charges) -> None:
    signals = RecordedSignals()
    service = EngineLiveService(Settings(), FakeGraph().handles(), charges, signals)
    counts = []
    for options in (OPTIONS, replace(OPTIONS, audio=AudioFormat(sample_rate_hz=4000))):
        counts.append(signals.level(LIVE_SESSIONS))
        with contextlib.suppress(InvalidParameter):
            async with service.open(VISIT, options):
                counts.append(signals.level(LIVE_SESSIONS))
    counts.append(signals.level(LIVE_SESSIONS))
    assert counts == [0, 1, 0, 0]


async def test_a_rate_out_of_range_is_refused(service: LiveService) -> None:
    with pytest.raises(InvalidParameter, match="sample_rate"):
        await service.open(VISIT, replace(OPTIONS, audio=AudioFormat(sample_rate_hz=4000))).__aenter__()


@pytest.mark.parametrize(("diarize", "speaker"), [(True, "SPEAKER_00"), (False, None)])
async def test_speakers_are_named_where_they_are_asked_for(
    service: LiveService, charges: Charges, diarize: bool, speaker: str | None
) -> None:
    async with service.open(VISIT, replace(OPTIONS, diarize=diarize)) as session:
        await spoken(session, SPEECH)
        await session.close()
        finals = [event async for event in session.events() if isinstance(event, Final)]
    assert {final.speaker for final in finals} == {speaker}
    assert {word.speaker for final in finals for word in final.words} == {speaker}
    assert [charge.diarized for charge in charges.recorded] == [diarize]


async def test_a_prompt_is_what_a_recogniser_is_told_that_can_be_biased(charges: Charges) -> None:
    biased = RecognitionSettings(engine="whisper", checkpoint="openai/whisper-large-v3-turbo", languages=("en",))
    graph = FakeGraph()
    service = EngineLiveService(Settings(recognition=biased), graph.handles(), charges)
    options = replace(OPTIONS, vocabulary=(VocabularyTerm("Beckett"),), prompt="We read plays. All of them.")
    async with service.open(VISIT, options) as session:
        await spoken(session, SPEECH)
        await session.close()
        assert [event async for event in session.events()]
    tasks = [call[2] for call in graph.recognizer.recognize.calls]
    assert {task.hints for task in tasks} == {("Beckett", "We read plays", "All of them")}
