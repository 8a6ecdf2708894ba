from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import (
    SpeakerCount,
    SpeakerTurn,
    Transcript,
    TranscriptionWarning,
    Usage,
    VocabularyTerm,
    WarningCode,
)
from deployments.errors import (
    AudioTooLong,
    ConcurrencyLimitReached,
    InsufficientCredits,
    Overloaded,
    QuotaExceeded,
    RateLimitReached,
    RayscribeError,
    UnsupportedAudio,
)
from serve_app.access.plans import Feature, Plan
from serve_app.access.visit import RateState
from serve_app.dialects.sixtydb_answer import SttAnswer, WordDetails, to_answer
from serve_app.settings import LimitSettings, Settings
from tests.fakes.edge import SEGMENTS, TURNS, WORDS, Edge, FakePipeline
from tests.fakes.transcripts import transcripts

pytestmark = pytest.mark.unit


async def stt(edge: Edge, audio: bytes = b"RIFF", /, part: str = "file", **fields: str) -> httpx.Response:
    return await edge.client.post("/stt", files={part: ("a.wav", audio)}, data=fields)


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


async def test_the_pipeline_is_asked_for_what_the_form_says(edge: Edge) -> None:
    fields = {
        "language": "auto",
        "languages": "en, en,",
        "diarize": "true",
        "min_speakers": "2",
        "max_speakers": "4",
        "keywords": "Rayscribe:3, New York ,a:b:0.5",
        "script_correction": "true",
    }
    assert (await stt(edge, b"RIFF", **fields)).status_code == 200
    (request,) = edge.pipeline.requests
    assert (request.language, request.candidates) == (None, ("en",))
    assert request.diarize
    assert request.speaker_count == SpeakerCount(minimum=2, maximum=4)
    assert request.vocabulary == (
        VocabularyTerm("Rayscribe", 3.0),
        VocabularyTerm("New York", 1.5),
        VocabularyTerm("a:b", 0.5),
    )
    assert request.max_duration_s == 3600.0
    assert request.numerals
    assert request.script_correction


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"min_speakers": "2", "max_speakers": "1"}, SpeakerCount()),
        ({"diarize": "true", "min_speakers": "0", "max_speakers": "-1"}, SpeakerCount()),
        ({"diarize": "true", "min_speakers": "", "max_speakers": "3"}, SpeakerCount(maximum=3)),
    ],
)
async def test_speaker_numbers_are_read_with_diarize_and_above_zero(
    edge: Edge, fields: dict[str, str], count: SpeakerCount
) -> None:
    assert (await stt(edge, b"RIFF", **fields)).status_code == 200
    assert edge.pipeline.requests[0].speaker_count == count


async def test_the_older_name_of_the_file_is_taken_and_unknown_fields_are_ignored(edge: Edge) -> None:
    response = await stt(edge, b"some audio", part="audio", lid_smoothing="3", language="", context=" ")
    assert response.status_code == 200
    assert edge.pipeline.audio == [b"some audio"]


async def test_two_files_are_refused(edge: Edge) -> None:
    response = await edge.client.post("/stt", files={"file": b"one", "audio": b"two"})
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("fields", "parameter", "code"),
    [
        ({"language": "de"}, "language", "unsupported_language"),
        ({"languages": "en,ur"}, "languages", "unsupported_language"),
        ({"language": "en", "languages": "de"}, "language", "INVALID_PARAMETER"),
        ({"diarize": "perhaps"}, "diarize", "INVALID_PARAMETER"),
        ({"diarize": "true", "min_speakers": "3", "max_speakers": "2"}, "min_speakers", "INVALID_PARAMETER"),
        ({"diarize": "true", "min_speakers": "1000"}, "min_speakers", "INVALID_PARAMETER"),
        ({"diarize": "true", "max_speakers": "1000"}, "max_speakers", "INVALID_PARAMETER"),
        ({"diarize": "true", "max_speakers": "two"}, "max_speakers", "INVALID_PARAMETER"),
        ({"return_timestamps": "segment"}, "return_timestamps", "INVALID_PARAMETER"),
        ({"include_confidence": "2"}, "include_confidence", "INVALID_PARAMETER"),
        ({"keywords": "Rayscribe:11"}, "keywords", "INVALID_PARAMETER"),
        ({"keywords": "Rayscribe:0"}, "keywords", "INVALID_PARAMETER"),
        ({"keywords": "Rayscribe:high"}, "keywords", "INVALID_PARAMETER"),
        ({"keywords": "Rayscribe:nan"}, "keywords", "INVALID_PARAMETER"),
        ({"keywords": "Rayscribe:"}, "keywords", "INVALID_PARAMETER"),
        ({"keywords": ":2"}, "keywords", "INVALID_PARAMETER"),
    ],
)
async def test_what_cannot_be_honoured_is_a_400_that_names_it(
    edge: Edge, fields: dict[str, str], parameter: str, code: str
) -> None:
    response = await stt(edge, b"RIFF", **fields)
    body = response.json()
    assert response.status_code == 400
    assert (body["error_code"], body["details"]["parameter"]) == (code, parameter)
    assert body["success"] is False
    assert parameter in body["error"] == body["message"]
    assert not edge.pipeline.requests


async def test_a_language_that_is_not_spoken_comes_with_those_that_are(edge: Edge) -> None:
    assert (await stt(edge, language="de")).json()["details"]["supported"] == ["en"]


async def test_context_is_left_out_where_the_plan_has_no_refinement(edge: Edge) -> None:
    edge.access.plan = Plan(features=frozenset({Feature.DIARIZATION}))
    answer = (await stt(edge, context="A call")).json()
    assert answer["warning_codes"] == ["llm_refinement_not_in_plan"]
    assert answer["warnings"][0]["affected_segments"] == []


@pytest.mark.parametrize("parts", [{}, {"content": b""}, {"json": {}}, {"files": {"language": (None, "en")}}])
async def test_a_request_without_a_file_says_so(edge: Edge, parts: dict[str, Any]) -> None:
    response = await edge.client.post("/stt", **parts)
    assert response.status_code == 400
    assert response.json() == {
        "success": False,
        "error": "Missing required parameter: file",
        "message": "Missing required parameter: file",
        "error_code": "MISSING_PARAMETER",
        "details": {"parameter": "file"},
    }


async def test_a_key_is_asked_for_before_anything_is_read(edge: Edge) -> None:
    edge.access.key = "sk_live_good"
    for path, call in (
        ("/stt", edge.client.post),
        ("/stt/models", edge.client.get),
        ("/stt/languages", edge.client.get),
    ):
        response = await call(path)
        assert (response.status_code, response.json()["error_code"]) == (401, "UNAUTHENTICATED")
    headers = {"authorization": "Bearer sk_live_good"}
    assert (await edge.client.post("/stt", files={"file": b"RIFF"}, headers=headers)).status_code == 200
    assert (await edge.client.get("/stt/models", headers=headers)).status_code == 200
    assert edge.access.dialects == ["sixtydb"]


@pytest.mark.parametrize(
    ("error", "status", "code", "details", "retry_after"),
    [
        (ConcurrencyLimitReached(8, 0.5), 429, "STT_CONCURRENCY_LIMIT", {"limit": 8}, "1"),
        (RateLimitReached(60, 12.3), 429, "STT_UPSTREAM_RATE_LIMIT", {"limit": 60, "retry_after_sec": 13}, "13"),
        (QuotaExceeded(100, 60), 403, "QUOTA_EXCEEDED", {"retry_after_sec": 60}, "60"),
        (InsufficientCredits(), 402, "INSUFFICIENT_CREDITS", {}, None),
        (Overloaded("Full", 2), 503, "STT_UPSTREAM_UNAVAILABLE", {"retry_after_sec": 2}, "2"),
    ],
)
async def test_limits_answer_in_the_vendors_words(
    edge: Edge, error: RayscribeError, status: int, code: str, details: dict[str, int], retry_after: str | None
) -> None:
    edge.access.error = error
    response = await stt(edge)
    body = response.json()
    assert (response.status_code, body["error_code"], body["details"]) == (status, code, details)
    assert response.headers.get("retry-after") == retry_after


async def test_the_rate_is_told(edge: Edge) -> None:
    edge.access.rate = RateState(60, 42, 10.0)
    assert (await stt(edge)).headers["x-ratelimit-remaining"] == "42"


async def test_a_feature_that_the_plan_lacks_is_a_403(edge: Edge) -> None:
    edge.access.plan = Plan(features=frozenset())
    response = await stt(edge, diarize="true")
    assert (response.status_code, response.json()["error_code"]) == (403, "FEATURE_NOT_IN_PLAN")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnsupportedAudio("no audio was found"), 415, "UNSUPPORTED_AUDIO"),
        (AudioTooLong(3600.0), 413, "AUDIO_TOO_LONG"),
        (ValueError("secret detail"), 500, "INTERNAL_ERROR"),
    ],
)
async def test_audio_that_is_not_taken(edge: Edge, error: Exception, status: int, code: str) -> None:
    edge.pipeline.error = error
    response = await stt(edge)
    assert (response.status_code, response.json()["error_code"]) == (status, code)
    assert "secret" not in response.text


async def test_this_api_has_limits_of_its_own() -> None:
    limits = LimitSettings(dialect_max_bytes={"sixtydb": 100}, dialect_max_duration_s={"sixtydb": 5.0})
    edge = Edge(settings=Settings(limits=limits), pipeline=FakePipeline())
    async with edge.client:
        assert (await stt(edge, b"x" * 100)).status_code == 200
        assert edge.pipeline.requests[0].max_duration_s == 5.0
        refused = await stt(edge, b"x" * 101)
    assert refused.status_code == 413
    assert refused.json()["details"] == {"max_bytes": 100}


async def test_the_catalogue_tells_what_the_profile_can_do(edge: Edge) -> None:
    features = ["speaker_diarization", "word_timestamps", "word_confidence", "keyword_boosting"]
    assert (await edge.client.get("/stt/languages")).json() == {
        "data": {
            "languages": [
                {"code": "auto", "name": "Auto-detect", "native": "Auto-detect", "code_switching": False},
                {"code": "en", "name": "English", "native": "English", "code_switching": False},
            ],
            "total": 1,
            "features": features,
        }
    }
    assert (await edge.client.get("/stt/models")).json() == {
        "success": True,
        "message": "STT models retrieved",
        "data": [
            {
                "id": "60db-stt-v01",
                "model_name": "moonshine-tiny-en",
                "description": "moonshine-tiny-en of the embedded profile",
                "category": "speech-to-text",
                "type": "stt",
                "languages": 1,
                "features": features,
            }
        ],
    }


async def test_the_api_page_describes_every_field(edge: Edge) -> None:
    schema = (await edge.client.get("/openapi.json")).json()
    call = schema["paths"]["/stt"]["post"]
    fields = call["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert all(field["description"] for field in fields.values())
    assert all(field["examples"] for name, field in fields.items() if name != "file")
    statuses = {"200", "400", "401", "402", "403", "413", "415", "429", "499", "500", "503"}
    assert statuses <= set(call["responses"])
    for name in ("SttAnswer", "SttSegment", "SttWord", "SttLanguages", "SttModel"):
        described = schema["components"]["schemas"][name]["properties"].values()
        # What a reference points to describes itself.
        assert all("$ref" in field or field["description"] for field in described)


@given(transcripts, st.booleans(), st.booleans(), st.floats(0, 1e5))
def test_any_transcript_is_an_answer(
    transcript: Transcript, times: bool, confidences: bool, processing_s: float
) -> None:
    answer = to_answer(transcript, WordDetails(times, confidences), processing_s, "h")
    written = json.loads(json.dumps(answer.model_dump(mode="json", exclude_unset=True), allow_nan=False))
    assert SttAnswer.model_validate(written).model_dump(mode="json", exclude_unset=True) == written
    assert len(written["words"]) == len(transcript.words)
    assert all(("start" in word, "confidence" in word) == (times, confidences) for word in written["words"])
