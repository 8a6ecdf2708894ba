"""What the pipeline makes of what its stages say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.contracts import (
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
)
from serve_app.engine_settings import RecognitionSettings
from serve_app.settings import Settings
from tests.fakes.stages import FakeGraph, FakeStage
from tests.serve_app.pipelines import AUDIO, REQUEST, pipeline, speaking

pytestmark = pytest.mark.unit


async def test_a_transcript_has_words_times_and_usage() -> None:
    transcript = await pipeline(FakeGraph()).transcribe(REQUEST, AUDIO)
    assert transcript.text == "word0, word1, word2,"
    assert [word.start_s for word in transcript.words] == [0.0, 1.0, 2.0]
    assert transcript.language == "en"
    assert transcript.usage.billable_s == 4.0
    assert transcript.turns == ()


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
    assert (task.punctuate, task.numerals, task.script_correction) == (False, True, True)
    assert task.vocabulary.terms == vocabulary


async def test_a_long_recording_is_recognised_in_groups_and_stitched_in_order() -> None:
    graph = FakeGraph()
    graph.speech = SpeechMap(40.0, tuple(TimeSpan(at, at + 3.0) for at in range(0, 40, 4)), 20.0)
    settings = Settings(recognition=RecognitionSettings(group_s=10.0))
    transcript = await pipeline(graph, settings).transcribe(REQUEST, AUDIO)
    assert [len(call[1]) for call in graph.recognizer.recognize.calls] == [2, 2, 2, 2, 2]
    starts = [word.start_s for word in transcript.words]
    assert starts == sorted(starts)
    assert len(starts) == 30
