"""The answers of the Waves API."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Transcript, TranscriptionWarning, WarningCode
from serve_app.dialects.smallest_waves_answer import Presentation, PulseAnswer, PulseProAnswer, to_answer
from tests.fakes.edge import SEGMENTS, Edge
from tests.fakes.transcripts import transcripts
from tests.serve_app.dialects.smallest_waves import LEGACY, stt

pytestmark = pytest.mark.unit


async def test_pulse_answers_with_the_vendors_fields_and_no_others(edge: Edge) -> None:
    response = await stt(edge, b"some audio", language="en")
    assert response.json() == {
        "status": "success",
        "transcription": "Hello, there. Yes.",
        "words": [],
        "utterances": [],
        "metadata": {"duration": 1.5, "fileSize": 10},
    }
    assert edge.pipeline.audio == [b"some audio"]


async def test_one_flag_fills_words_and_utterances(edge: Edge) -> None:
    answer = (await stt(edge, word_timestamps="true")).json()
    assert answer["words"] == [
        {"word": "Hello,", "start": 0.1, "end": 0.4, "confidence": 0.9},
        {"word": "there.", "start": 0.5, "end": 0.9, "confidence": 0.8},
        {"word": "Yes.", "start": 1.0, "end": 1.3, "confidence": 0.7},
    ]
    assert answer["utterances"] == [
        {"text": "Hello, there.", "start": 0.1, "end": 0.9},
        {"text": "Yes.", "start": 1.0, "end": 1.3},
    ]


async def test_speakers_are_numbers_and_the_answer_has_no_request_id(edge: Edge) -> None:
    answer = (await stt(edge, word_timestamps="true", diarize="true")).json()
    assert [(word["speaker"], word["speaker_confidence"]) for word in answer["words"]] == [(0, 1.0), (0, 1.0), (1, 1.0)]
    assert [utterance["speaker"] for utterance in answer["utterances"]] == [0, 1]
    # The vendor's SDK takes an answer with both for an accepted job.
    assert "request_id" not in answer


async def test_diarization_that_nothing_would_show_is_not_done(edge: Edge) -> None:
    await stt(edge, diarize="true")
    assert not edge.pipeline.requests[0].diarize


async def test_pulse_pro_has_its_own_form(edge: Edge) -> None:
    answer = (await stt(edge, b"some audio", model="pulse-pro", language="en")).json()
    request_id = answer.pop("request_id")
    assert str(uuid.UUID(request_id)) == request_id == edge.pipeline.requests[0].request_id
    assert answer["metadata"].pop("processing_time_ms") > 0
    assert answer["metadata"].pop("rtfx") > 0
    assert answer == {
        "status": "success",
        "transcription": "Hello, there. Yes.",
        "words": [],
        "language": "en",
        "totalBytes": 10,
        "metadata": {"duration": 1.5, "num_chunks": 1},
    }
    timed = (await stt(edge, model="pulse-pro", word_timestamps="true")).json()
    assert [word["word"] for word in timed["words"]] == ["Hello,", "there.", "Yes."]
    assert "utterances" not in timed


async def test_pulse_pro_counts_the_chunks(edge: Edge) -> None:
    edge.pipeline.segments = tuple(replace(each, chunk=number) for number, each in enumerate(SEGMENTS))
    assert (await stt(edge, model="pulse-pro")).json()["metadata"]["num_chunks"] == 2


async def test_a_recording_without_speech_is_a_success(edge: Edge) -> None:
    edge.pipeline.segments = ()
    edge.pipeline.warnings = (TranscriptionWarning(WarningCode.NO_SPEECH_DETECTED, "Nobody speaks"),)
    pulse = (await stt(edge, word_timestamps="true")).json()
    assert (pulse["transcription"], pulse["words"], pulse["utterances"]) == ("", [], [])
    assert pulse["warnings"] == [{"code": "no_speech_detected", "message": "Nobody speaks"}]
    assert (await stt(edge, model="pulse-pro")).json()["language"] is None


@pytest.mark.parametrize(
    ("query", "punctuate", "text"),
    [
        ({"format": "false"}, False, "hello, there. yes."),
        ({"punctuate": "false"}, False, "Hello, there. Yes."),
        ({"capitalize": "false"}, True, "hello, there. yes."),
    ],
)
async def test_formatting_can_be_turned_off(edge: Edge, query: dict[str, str], punctuate: bool, text: str) -> None:
    answer = (await stt(edge, path=LEGACY[0], word_timestamps="true", **query)).json()
    assert edge.pipeline.requests[0].punctuate == punctuate
    assert answer["transcription"] == text
    assert " ".join(word["word"] for word in answer["words"]) == text
    assert " ".join(each["text"] for each in answer["utterances"]) == text


@given(transcripts, st.booleans(), st.booleans(), st.none() | st.just(0.0) | st.floats(1e-6, 1e5))
def test_any_transcript_is_an_answer_of_either_model(
    transcript: Transcript, word_timestamps: bool, capitalize: bool, processing_s: float | None
) -> None:
    for model, form in (("pulse", PulseAnswer), ("pulse-pro", PulseProAnswer)):
        presentation = Presentation(
            model=model,
            word_timestamps=word_timestamps,
            capitalize=capitalize,
            total_bytes=1,
            filename=None,
        )
        body = to_answer(transcript, presentation, processing_s).model_dump(exclude_unset=True)
        written = json.loads(json.dumps(body, allow_nan=False))
        assert form.model_validate(written).model_dump(exclude_unset=True) == written
        assert len(written["words"]) == (len(transcript.words) if word_timestamps else 0)
