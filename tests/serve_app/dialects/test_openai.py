"""The forms that OpenAI's answers come in."""

from __future__ import annotations

import math
import zlib
from typing import Any, Literal

import pysubs2
import pytest
from openai import AsyncOpenAI
from openai.types.audio import Transcription, TranscriptionDiarized, TranscriptionVerbose

from deployments.contracts import TranscriptionWarning, WarningCode
from tests.fakes.edge import Edge
from tests.serve_app.dialects.openai_transcriptions import FILE, post

pytestmark = pytest.mark.unit


async def test_json_is_the_text_and_its_languages(edge: Edge, sdk: AsyncOpenAI) -> None:
    answer = await sdk.audio.transcriptions.create(file=FILE, model="whisper-1")
    assert answer == Transcription.model_validate(
        {
            "text": "Hello, there. Yes.",
            "languages": [{"code": "en"}],
            "usage": {"type": "duration", "seconds": 1.5},
        }
    )
    assert edge.pipeline.audio == [b"RIFF"]
    assert not edge.pipeline.requests[0].diarize
    assert edge.access.dialects == ["openai"]


async def test_logprobs_are_the_words_and_their_confidences(sdk: AsyncOpenAI) -> None:
    answer = await sdk.audio.transcriptions.create(file=FILE, model="gpt-4o-transcribe", include=["logprobs"])
    assert answer.logprobs is not None
    assert [entry.token for entry in answer.logprobs] == ["Hello,", " there.", " Yes."]
    assert [entry.logprob for entry in answer.logprobs] == pytest.approx(
        [math.log(confidence) for confidence in (0.9, 0.8, 0.7)], abs=1e-4
    )
    assert bytes(int(byte) for byte in answer.logprobs[1].bytes or ()) == b" there."


async def test_verbose_json_has_segments_and_whispers_figures(edge: Edge, sdk: AsyncOpenAI) -> None:
    answer = await sdk.audio.transcriptions.create(file=FILE, model="whisper-1", response_format="verbose_json")
    TranscriptionVerbose.model_validate(answer.to_dict())
    assert (answer.text, answer.language, answer.duration) == ("Hello, there. Yes.", "english", 1.5)
    assert answer.words is None
    assert answer.segments is not None
    assert [(each.id, each.start, each.end, each.text) for each in answer.segments] == [
        (0, 0.1, 0.9, "Hello, there."),
        (1, 1.0, 1.3, "Yes."),
    ]
    first = answer.segments[0]
    assert (first.seek, first.tokens, first.temperature, first.no_speech_prob) == (10, [], 0, 0)
    assert first.avg_logprob == pytest.approx((math.log(0.9) + math.log(0.8)) / 2, abs=1e-4)
    assert first.compression_ratio == pytest.approx(13 / len(zlib.compress(b"Hello, there.")), abs=1e-4)
    assert (await post(edge, response_format="verbose_json")).json()["task"] == "transcribe"


@pytest.mark.parametrize("name", ["timestamp_granularities", "timestamp_granularities[]"])
@pytest.mark.parametrize(
    ("granularities", "has_segments", "has_words"),
    [(["word"], False, True), (["segment"], True, False), (["word", "segment"], True, True)],
)
async def test_granularities_say_what_has_times(
    edge: Edge, name: str, granularities: Any, has_segments: bool, has_words: bool
) -> None:
    answer = (await post(edge, response_format="verbose_json", **{name: granularities})).json()
    assert ("segments" in answer, "words" in answer) == (has_segments, has_words)
    if has_words:
        assert answer["words"][0] == {"word": "Hello,", "start": 0.1, "end": 0.4}


async def test_the_sdk_reads_words(sdk: AsyncOpenAI) -> None:
    answer = await sdk.audio.transcriptions.create(
        file=FILE, model="whisper-1", response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert answer.words is not None
    assert [word.word for word in answer.words] == ["Hello,", "there.", "Yes."]
    assert answer.segments is None


async def test_diarized_json_names_speakers_by_letters(edge: Edge, sdk: AsyncOpenAI) -> None:
    answer = await sdk.audio.transcriptions.create(
        file=FILE, model="gpt-4o-transcribe-diarize", response_format="diarized_json", chunking_strategy="auto"
    )
    TranscriptionDiarized.model_validate(answer.to_dict())
    assert [(each.id, each.speaker, each.text, each.start, each.end) for each in answer.segments] == [
        ("seg_0", "A", "Hello, there.", 0.1, 0.9),
        ("seg_1", "B", "Yes.", 1.0, 1.3),
    ]
    assert (answer.task, answer.text, answer.duration) == ("transcribe", "Hello, there. Yes.", 1.5)
    assert edge.pipeline.requests[0].diarize


JSON_FORMS: tuple[Literal["json", "verbose_json", "diarized_json"], ...] = ("json", "verbose_json", "diarized_json")


async def test_the_sdk_reads_warnings_where_there_are_any(edge: Edge, sdk: AsyncOpenAI) -> None:
    for form in JSON_FORMS:
        edge.pipeline.warnings = ()
        good = await sdk.audio.transcriptions.create(file=FILE, model="whisper-1", response_format=form)
        assert not isinstance(good, str)
        assert "warnings" not in good.to_dict()
        edge.pipeline.warnings = (TranscriptionWarning(WarningCode.AUDIO_TRUNCATED, "The file is damaged"),)
        damaged = await sdk.audio.transcriptions.create(file=FILE, model="whisper-1", response_format=form)
        assert not isinstance(damaged, str)
        assert damaged.to_dict()["warnings"] == [{"code": "audio_truncated", "message": "The file is damaged"}]


FORMS: tuple[Literal["srt", "vtt"], ...] = ("srt", "vtt")


async def test_text_and_subtitles_are_what_they_are_called(edge: Edge, sdk: AsyncOpenAI) -> None:
    create = sdk.audio.transcriptions.create
    assert await create(file=FILE, model="whisper-1", response_format="text") == "Hello, there. Yes.\n"
    for form in FORMS:
        subtitles = pysubs2.SSAFile.from_string(
            str(await create(file=FILE, model="whisper-1", response_format=form)),
            format_=form,
        )
        assert [(cue.start, cue.plaintext) for cue in subtitles] == [(100, "Hello, there."), (1000, "Yes.")]
    types = {
        form: (await post(edge, response_format=form)).headers["content-type"]
        for form in ("json", "text", "srt", "vtt")
    }
    assert types == {
        "json": "application/json",
        "text": "text/plain; charset=utf-8",
        "srt": "application/x-subrip",
        "vtt": "text/vtt; charset=utf-8",
    }


@pytest.mark.parametrize(
    ("form", "content"),
    [("text", ""), ("srt", ""), ("vtt", "WEBVTT"), ("json", None), ("verbose_json", None), ("diarized_json", None)],
)
async def test_silence_is_an_answer_and_costs_nothing(edge: Edge, form: str, content: str | None) -> None:
    edge.pipeline.segments = ()
    response = await post(edge, response_format=form)
    assert response.status_code == 200
    if content is not None:
        assert response.text.strip() == content
    else:
        assert response.json()["text"] == ""
        assert response.json()["usage"] == {"type": "duration", "seconds": 0.0}


async def test_the_language_of_silence_is_the_one_that_was_asked_for(edge: Edge) -> None:
    edge.pipeline.segments = ()
    asked = await post(edge, response_format="verbose_json", language="en")
    unasked = await post(edge, response_format="verbose_json")
    assert (asked.json()["language"], unasked.json()["language"]) == ("english", "unknown")
