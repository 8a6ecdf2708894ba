from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError, RayServeException

from deployments.contracts import (
    LanguageDetection,
    LanguageSource,
    LanguageSpan,
    RecognizedSpan,
    Refined,
    RefinementTask,
    Segment,
    SpeakerCount,
    SpeechMap,
    TimeSpan,
    TranscriptionRequest,
    TranscriptionWarning,
    VocabularyTerm,
    WarningCode,
    Word,
)
from deployments.errors import DeadlineExceeded, Overloaded, StageLost, UnsupportedAudio
from serve_app.engine_settings import RecognitionSettings
from serve_app.pipeline import Pipeline
from serve_app.settings import LimitSettings, Settings
from tests.fakes.stages import FakeGraph, FakeStage

pytestmark = pytest.mark.unit

AUDIO = np.zeros(10, np.uint8)
REQUEST = TranscriptionRequest("req_1", language="en")


def pipeline(graph: FakeGraph, settings: Settings | None = None) -> Pipeline:
    return Pipeline(graph.handles(), settings or Settings())


def fails(*errors: Exception, then: Any) -> Any:
    """A stage method that raises each error once and then answers."""
    left = list(errors)

    async def answer(*args: Any) -> Any:
        if left:
            raise left.pop(0)
        return await then(*args)

    return answer


async def test_a_transcript_has_words_times_and_usage() -> None:
    transcript = await pipeline(FakeGraph()).transcribe(REQUEST, AUDIO)
    assert transcript.text == "word0, word1, word2,"
    assert [word.start_s for word in transcript.words] == [0.0, 1.0, 2.0]
    assert transcript.language == "en"
    assert transcript.usage.billable_s == 4.0
    assert transcript.turns == ()


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


def speaking(*languages: str, seconds: float = 3.0) -> tuple[FakeGraph, list[LanguageSpan | None]]:
    """A graph whose recording has a region in each of the languages, and what each identification was told before."""
    graph = FakeGraph()
    regions = tuple(TimeSpan(at * 4.0, at * 4.0 + seconds) for at in range(len(languages)))
    graph.speech = SpeechMap(4.0 * len(languages), regions, 20.0)
    befores: list[LanguageSpan | None] = []

    async def identify(
        waveform: Any, regions: tuple[TimeSpan, ...], candidates: tuple[str, ...], before: LanguageSpan | None
    ) -> tuple[LanguageSpan, ...]:
        befores.append(before)
        return tuple(LanguageSpan(region, languages[int(region.start_s // 4)], 0.9) for region in regions)

    graph.language_identifier = FakeStage(identify=identify)
    return graph, befores


ANY_OF_THREE = TranscriptionRequest("req_1", candidates=("de", "en", "fr"))


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

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

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


async def test_what_refinement_warns_of_is_numbered_in_the_whole_transcript() -> None:
    graph, _ = speaking("en", "en", "en")
    told = TranscriptionWarning(WarningCode.LLM_REFINEMENT_REJECTED, "not safe", (0,))

    async def refine(segments: tuple[Segment, ...], task: RefinementTask) -> Refined:
        return Refined(segments, (told,))

    async def take(_: tuple[Segment, ...]) -> None:
        pass

    graph.refiner = FakeStage(refine=refine)
    whole = await pipeline(graph).transcribe(REQUEST, AUDIO)
    assert whole.warnings == (told,)
    in_parts = Settings(recognition=RecognitionSettings(stream_group_s=4.0))
    transcript = await pipeline(graph, in_parts).transcribe(REQUEST, AUDIO, take)
    assert [warning.segments for warning in transcript.warnings] == [(0,), (1,), (2,)]


async def test_diarization_gives_every_word_a_speaker() -> None:
    graph = FakeGraph()
    request = TranscriptionRequest("req_1", "en", diarize=True, speaker_count=SpeakerCount(exact=2))
    transcript = await pipeline(graph).transcribe(request, AUDIO)
    assert [word.speaker for word in transcript.words] == ["SPEAKER_00", "SPEAKER_00", "SPEAKER_01"]
    assert [segment.speaker for segment in transcript.segments] == ["SPEAKER_00", "SPEAKER_01"]
    assert graph.diarizer.diarize.calls[0][1] == SpeakerCount(exact=2)


async def test_nothing_runs_and_nothing_is_charged_without_speech() -> None:
    graph = FakeGraph()
    warning = TranscriptionWarning(WarningCode.NO_SPEECH_DETECTED, "nobody speaks")
    graph.speech = SpeechMap(4.0, (), None, (warning,))
    request = TranscriptionRequest("req_1", diarize=True)
    transcript = await pipeline(graph).transcribe(request, AUDIO)
    assert transcript.detection.lid_calls == 0
    assert transcript.text == ""
    assert transcript.language is None
    assert transcript.warnings == (warning,)
    assert transcript.usage.billable_s == 0
    assert not graph.recognizer.recognize.calls
    assert not graph.diarizer.diarize.calls


async def test_the_refiner_learns_what_the_text_is_to_look_like() -> None:
    graph = FakeGraph()
    vocabulary = (VocabularyTerm("Kubernetes"),)
    request = replace(REQUEST, punctuate=False, vocabulary=vocabulary, numerals=True, script_correction=True)
    await pipeline(graph).transcribe(request, AUDIO)
    ((_, task),) = graph.refiner.refine.calls
    assert (task.punctuate, task.vocabulary, task.numerals, task.script_correction) == (False, vocabulary, True, True)


@pytest.mark.parametrize("stage", ["decoder", "speech_gate", "recognizer", "refiner"])
async def test_a_replica_that_dies_is_replaced_by_another(stage: str) -> None:
    graph = FakeGraph()
    name = {"decoder": "decode", "speech_gate": "inspect", "recognizer": "recognize", "refiner": "refine"}[stage]
    healthy = getattr(getattr(graph, stage), name).answer
    setattr(graph, stage, FakeStage(**{name: fails(ActorDiedError(), then=healthy)}))
    transcript = await pipeline(graph).transcribe(REQUEST, AUDIO)
    assert transcript.text == "word0, word1, word2,"
    assert len(getattr(getattr(graph, stage), name).calls) == 2


async def test_the_death_of_the_decoder_seen_by_the_gate_is_retried_with_the_decoder() -> None:
    graph = FakeGraph()
    died = RayServeException("upstream actor died")
    died.__cause__ = ActorDiedError()
    graph.speech_gate = FakeStage(inspect=fails(died, then=graph._inspect))
    await pipeline(graph).transcribe(REQUEST, AUDIO)
    assert len(graph.decoder.decode.calls) == 2


async def test_a_stage_that_keeps_dying_is_reported_as_lost() -> None:
    graph = FakeGraph()

    async def dies(*_: Any) -> None:
        raise ActorDiedError

    graph.recognizer = FakeStage(recognize=dies)
    with pytest.raises(StageLost):
        await pipeline(graph).transcribe(REQUEST, AUDIO)
    assert len(graph.recognizer.recognize.calls) == 3


async def test_back_pressure_is_not_retried() -> None:
    graph = FakeGraph()

    async def full(*_: Any) -> None:
        raise BackPressureError(num_queued_requests=3, max_queued_requests=3)

    graph.recognizer = FakeStage(recognize=full)
    with pytest.raises(Overloaded):
        await pipeline(graph).transcribe(REQUEST, AUDIO)
    assert len(graph.recognizer.recognize.calls) == 1


async def test_bad_audio_is_reported_as_the_decoder_says() -> None:
    graph = FakeGraph()

    async def rejects(*_: Any) -> None:
        raise UnsupportedAudio("no audio in it")

    graph.decoder = FakeStage(decode=rejects)
    with pytest.raises(UnsupportedAudio, match="no audio in it"):
        await pipeline(graph).transcribe(REQUEST, AUDIO)


async def test_a_client_that_hangs_up_cancels_every_stage_that_works_for_it() -> None:
    graph = FakeGraph()

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    graph.recognizer = FakeStage(recognize=never)
    graph.diarizer = FakeStage(diarize=never)
    request = TranscriptionRequest("req_1", "en", diarize=True)
    running = asyncio.create_task(pipeline(graph).transcribe(request, AUDIO))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert graph.recognizer.recognize.responses[0].cancelled
    assert graph.diarizer.diarize.responses[0].cancelled


async def test_a_failing_stage_cancels_the_one_that_runs_beside_it() -> None:
    graph = FakeGraph()

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    async def breaks(*_: Any) -> None:
        raise ValueError("broken")

    graph.diarizer = FakeStage(diarize=never)
    graph.recognizer = FakeStage(recognize=breaks)
    with pytest.raises(ValueError, match="broken"):
        await pipeline(graph).transcribe(TranscriptionRequest("req_1", "en", diarize=True), AUDIO)
    assert graph.diarizer.diarize.responses[0].cancelled


async def test_a_stage_that_never_answers_ends_with_the_deadline() -> None:
    graph = FakeGraph()

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    graph.recognizer = FakeStage(recognize=never)
    settings = Settings(limits=LimitSettings(request_timeout_s=0.2))
    with pytest.raises(DeadlineExceeded):
        await pipeline(graph, settings).transcribe(REQUEST, AUDIO)
    assert graph.recognizer.recognize.responses[0].cancelled


async def test_a_long_recording_is_recognised_in_groups_and_stitched_in_order() -> None:
    graph = FakeGraph()
    graph.speech = SpeechMap(40.0, tuple(TimeSpan(at, at + 3.0) for at in range(0, 40, 4)), 20.0)
    settings = Settings(recognition=RecognitionSettings(group_s=10.0))
    transcript = await pipeline(graph, settings).transcribe(REQUEST, AUDIO)
    assert [len(call[1]) for call in graph.recognizer.recognize.calls] == [2, 2, 2, 2, 2]
    starts = [word.start_s for word in transcript.words]
    assert starts == sorted(starts)
    assert len(starts) == 30
