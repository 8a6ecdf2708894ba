"""60db's answers."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import SpeakerTurn, Transcript, TranscriptionWarning, Usage, WarningCode
from serve_app.dialects.sixtydb_answer import SttAnswer, WordDetails, to_answer
from tests.fakes.edge import SEGMENTS, TURNS, WORDS, Edge
from tests.fakes.transcripts import transcripts
from tests.serve_app.dialects.sixtydb import stt

pytestmark = pytest.mark.unit


def segment(text: str, start: float, end: float, confidence: float, *words: dict[str, Any]) -> dict[str, Any]:
    return {
        "start": start,
        "end": end,
        "language": "en",
        "language_name": "English",
        "text": text,
        "confidence": confidence,
        "words": list(words),
        "speakers": [],
    }


async def test_the_answer_has_every_field(edge: Edge) -> None:
    answer = (await stt(edge, b"some audio")).json()
    request_id, processing_ms, rtf = answer.pop("request_id"), answer.pop("processing_ms"), answer.pop("rtf")
    assert request_id == edge.pipeline.requests[0].request_id
    assert str(uuid.UUID(request_id)) == request_id
    assert rtf == round(processing_ms / 1500, 4)
    words = [{"word": "Hello,"}, {"word": "there."}, {"word": "Yes."}]
    assert answer == {
        "text": "Hello, there. Yes.",
        "language": "en",
        "language_name": "English",
        "languages": None,
        "language_source": "fast_path",
        "duration_sec": 1.5,
        "snr_db": 20.0,
        "segments": [
            segment("Hello, there.", 0.1, 0.9, 0.85, *words[:2]),
            segment("Yes.", 1.0, 1.3, 0.7, words[2]),
        ],
        "words": words,
        "warnings": [],
        "warning_codes": [],
        "language_detection": {"mode": "fast_path", "candidates": [], "segment_count": 2, "lid_calls": 0},
        "has_audio": True,
        "hash_id": hashlib.sha256(b"some audio").hexdigest()[:32],
    }


async def test_times_and_confidences_come_when_asked_for(edge: Edge) -> None:
    timed = (await stt(edge, return_timestamps="word")).json()
    assert timed["words"][0] == {"word": "Hello,", "start": 0.1, "end": 0.4}
    sure = (await stt(edge, include_confidence="true", return_timestamps="none")).json()
    assert sure["segments"][0]["words"][0] == {"word": "Hello,", "confidence": 0.9}


async def test_speakers_are_parts_of_their_segment(edge: Edge) -> None:
    answer = (await stt(edge, diarize="true")).json()
    assert [each["speakers"] for each in answer["segments"]] == [
        [{"speaker": "SPEAKER_00", "start": 0.1, "end": 0.9}],
        [{"speaker": "SPEAKER_01", "start": 1.0, "end": 1.3}],
    ]


def test_two_who_talk_at_once_are_both_named() -> None:
    transcript = transcript_of(turns=(*TURNS, SpeakerTurn("SPEAKER_02", 0.5, 0.7)))
    heard = to_answer(transcript, WordDetails(False, False), 0.1, "h").segments[0].speakers
    assert [(each.speaker, each.start, each.end) for each in heard] == [
        ("SPEAKER_00", 0.1, 0.9),
        ("SPEAKER_02", 0.5, 0.7),
    ]


def test_words_between_turns_keep_the_speaker_they_were_given_to() -> None:
    transcript = transcript_of(turns=(SpeakerTurn("SPEAKER_00", 5.0, 6.0),))
    heard = to_answer(transcript, WordDetails(False, False), 0.1, "h").segments[0].speakers
    assert [(each.speaker, each.start, each.end) for each in heard] == [("SPEAKER_00", 0.1, 0.9)]


def transcript_of(**parts: Any) -> Transcript:
    plain = Transcript("req_1", "Hello, there. Yes.", "en", 1.5, SEGMENTS, TURNS, 20.0, (), Usage(1.5))
    return replace(plain, **parts)


def test_boosted_words_say_what_was_heard() -> None:
    word = replace(WORDS[0], boosted=True, original="Hallo,")
    transcript = transcript_of(segments=(replace(SEGMENTS[0], words=(word, WORDS[1])),))
    answer = to_answer(transcript, WordDetails(False, False), 0.1, "h").model_dump(exclude_unset=True)
    assert answer["segments"][0]["words"] == [
        {"word": "Hello,", "boosted": True, "original": "Hallo,"},
        {"word": "there."},
    ]


def test_long_recordings_number_their_chunks_and_several_languages_are_listed() -> None:
    transcript = transcript_of(
        segments=(replace(SEGMENTS[0], chunk=0, language="hi"), replace(SEGMENTS[1], chunk=1)), language="hi"
    )
    answer = to_answer(transcript, WordDetails(False, False), 0.75, "h")
    assert [each.chunk_idx for each in answer.segments] == [0, 1]
    assert (answer.language_name, answer.languages) == ("Hindi", ["hi", "en"])
    assert (answer.processing_ms, answer.rtf) == (750, 0.5)


async def test_silence_is_a_success_with_a_warning(edge: Edge) -> None:
    edge.pipeline.segments = ()
    edge.pipeline.snr_db = None
    edge.pipeline.warnings = (TranscriptionWarning(WarningCode.NO_SPEECH_DETECTED, "Nobody speaks"),)
    answer = (await stt(edge)).json()
    assert (answer["text"], answer["language"], answer["language_name"], answer["segments"]) == ("", None, None, [])
    assert answer["snr_db"] is None
    assert answer["warnings"] == [
        {"code": "no_speech_detected", "message": "Nobody speaks", "affected_segments": []},
    ]
    assert answer["warning_codes"] == ["no_speech_detected"]


async def test_a_warning_numbers_the_segments_that_it_is_about(edge: Edge) -> None:
    edge.pipeline.warnings = (TranscriptionWarning(WarningCode.INLINE_CODE_SWITCH_PARTIAL, "Two languages", (1,)),)
    answer = (await stt(edge)).json()
    assert answer["warnings"] == [
        {"code": "inline_code_switch_partial", "message": "Two languages", "affected_segments": [1]},
    ]


@given(transcripts, st.booleans(), st.booleans(), st.floats(0, 1e5))
def test_any_transcript_is_an_answer(
    transcript: Transcript, times: bool, confidences: bool, processing_s: float
) -> None:
    answer = to_answer(transcript, WordDetails(times, confidences), processing_s, "h")
    written = json.loads(json.dumps(answer.model_dump(mode="json", exclude_unset=True), allow_nan=False))
    assert SttAnswer.model_validate(written).model_dump(mode="json", exclude_unset=True) == written
    assert len(written["words"]) == len(transcript.words)
    assert all(("start" in word, "confidence" in word) == (times, confidences) for word in written["words"])
