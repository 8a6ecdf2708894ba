"""Which languages the pipeline recognises a recording in, and what it says of how they were found."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from deployments.contracts import (
    LanguageDetection,
    LanguageSource,
    LanguageSpan,
    RecognizedSpan,
    TimeSpan,
    TranscriptionRequest,
    WarningCode,
    Word,
)
from serve_app.engine_settings import RecognitionSettings
from serve_app.settings import Settings
from tests.fakes.stages import FakeGraph, FakeStage
from tests.serve_app.pipelines import ANY_OF_THREE, AUDIO, REQUEST, fails, never, pipeline, speaking

pytestmark = pytest.mark.unit


async def test_a_known_language_needs_no_identification() -> None:
    graph = FakeGraph()
    await pipeline(graph).transcribe(REQUEST, AUDIO)
    assert graph.language_identifier.identify.calls == []


async def test_an_unknown_language_is_identified_for_every_region() -> None:
    graph = FakeGraph()
    request = TranscriptionRequest("req_1", candidates=("de", "en"))
    transcript = await pipeline(graph).transcribe(request, AUDIO)
    assert len(graph.language_identifier.identify.calls) == 1
    assert transcript.detection.lid_calls == 1
    assert transcript.language == "en"


async def test_segments_are_in_the_language_that_was_identified() -> None:
    graph, _ = speaking("de", "en", "en")
    transcript = await pipeline(graph).transcribe(ANY_OF_THREE, AUDIO)
    assert [(segment.language, segment.start_s) for segment in transcript.segments] == [("de", 0.0), ("en", 4.0)]
    assert transcript.language == "en"
    assert transcript.detection == LanguageDetection(LanguageSource.MIXED, ANY_OF_THREE.candidates, 1)


async def test_a_recording_of_one_language_was_identified_by_its_segments() -> None:
    graph, _ = speaking("fr", "fr")
    transcript = await pipeline(graph).transcribe(ANY_OF_THREE, AUDIO)
    assert transcript.detection == LanguageDetection(LanguageSource.LID_PER_SEGMENT, ANY_OF_THREE.candidates, 1)


async def test_a_known_language_took_the_fast_path() -> None:
    transcript = await pipeline(FakeGraph()).transcribe(REQUEST, AUDIO)
    assert transcript.detection == LanguageDetection(LanguageSource.FAST_PATH, ("en",), 0)


async def test_a_long_recording_is_identified_in_chunks_that_know_what_was_before() -> None:
    graph, befores = speaking("fr", "fr", "fr", "fr", "de")
    settings = Settings(recognition=RecognitionSettings(group_s=8.0))
    transcript = await pipeline(graph, settings).transcribe(ANY_OF_THREE, AUDIO)
    assert befores == [
        None,
        LanguageSpan(TimeSpan(4.0, 7.0), "fr", 0.9),
        LanguageSpan(TimeSpan(12.0, 15.0), "fr", 0.9),
    ]
    assert transcript.detection == LanguageDetection(LanguageSource.MIXED, ANY_OF_THREE.candidates, 3)
    graph, _ = speaking("fr", "fr", "fr", "fr", "fr")
    transcript = await pipeline(graph, settings).transcribe(ANY_OF_THREE, AUDIO)
    assert transcript.detection == LanguageDetection(LanguageSource.LONG_AUDIO_CHUNKED, ANY_OF_THREE.candidates, 3)


async def test_the_beginning_is_recognised_while_the_rest_is_still_identified() -> None:
    graph, _ = speaking("fr", "fr", "de", "de")
    identify, recognized = graph.language_identifier.identify.answer, asyncio.Event()

    async def waits(waveform: Any, regions: tuple[TimeSpan, ...], candidates: Any, before: Any) -> Any:
        if before is not None:
            await asyncio.wait_for(recognized.wait(), 10)
        return await identify(waveform, regions, candidates, before)

    async def recognize(*args: Any) -> Any:
        recognized.set()
        return await FakeGraph()._recognize(*args)

    graph.language_identifier = FakeStage(identify=waits)
    graph.recognizer = FakeStage(recognize=recognize)
    settings = Settings(recognition=RecognitionSettings(group_s=8.0))
    transcript = await pipeline(graph, settings).transcribe(ANY_OF_THREE, AUDIO)
    assert [segment.language for segment in transcript.segments] == ["fr", "de"]


async def test_an_identifier_that_fails_ends_the_request_and_what_runs_for_it() -> None:
    graph, _ = speaking("fr", "fr", "de", "de")
    identify = graph.language_identifier.identify.answer

    async def breaks(waveform: Any, regions: Any, candidates: Any, before: Any) -> Any:
        if before is not None:
            raise ValueError("broken")
        return await identify(waveform, regions, candidates, before)

    graph.language_identifier = FakeStage(identify=breaks)
    graph.diarizer = FakeStage(diarize=never)
    settings = Settings(recognition=RecognitionSettings(group_s=8.0))
    with pytest.raises(ValueError, match="broken"):
        await pipeline(graph, settings).transcribe(replace(ANY_OF_THREE, diarize=True), AUDIO)
    assert graph.diarizer.diarize.responses[0].cancelled


async def test_an_identifier_that_dies_is_replaced_by_another() -> None:
    graph, _ = speaking("fr", "fr")
    healthy = graph.language_identifier.identify.answer
    graph.language_identifier = FakeStage(identify=fails(ActorDiedError(), then=healthy))
    transcript = await pipeline(graph).transcribe(ANY_OF_THREE, AUDIO)
    assert transcript.language == "fr"
    assert transcript.detection.lid_calls == 1


async def test_words_in_another_script_than_their_language_are_warned_of() -> None:
    graph, _ = speaking("en", "de")

    async def recognize(_: Any, spans: tuple[LanguageSpan, ...], __: Any) -> tuple[RecognizedSpan, ...]:
        said = {"en": ("hello", "there."), "de": ("und", "привет")}
        return tuple(
            RecognizedSpan(
                span.span,
                span.language,
                tuple(Word(text, span.span.start_s, span.span.end_s, 0.9) for text in said[span.language]),
            )
            for span in spans
        )

    graph.recognizer = FakeStage(recognize=recognize)
    transcript = await pipeline(graph).transcribe(ANY_OF_THREE, AUDIO)
    (warning,) = transcript.warnings
    assert warning.code is WarningCode.INLINE_CODE_SWITCH_PARTIAL
    assert warning.segments == (1,)
