"""The neutral transcript in the form of 60db's ``POST /stt``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from deployments.contracts import LanguageSource, Segment, SpeakerTurn, Transcript, Word
from deployments.time_index import TimeIndex
from serve_app.dialects.languages import language_name


class SttWord(BaseModel):
    """A word with the punctuation mark behind it."""

    word: str = Field(description="As in the text.", examples=["Hello,"])
    start: float | None = Field(None, description="Seconds; only with `return_timestamps=word`.", examples=[0.12])
    end: float | None = Field(None, description="Seconds; only with `return_timestamps=word`.", examples=[0.31])
    confidence: float | None = Field(None, ge=0, le=1, description="Only with `include_confidence`.", examples=[0.99])
    boosted: bool | None = Field(None, description="Only there, and true, where a keyword won.", examples=[True])
    original: str | None = Field(
        None, description="What was heard where a keyword, digits or another script replaced it.", examples=["sixty"]
    )


class SttSpeaker(BaseModel):
    """A part of a segment in which somebody speaks. Parts may overlap."""

    speaker: str = Field(description="The same label is the same voice.", examples=["SPEAKER_00"])
    start: float = Field(description="Seconds from the start of the recording.", examples=[0.0])
    end: float = Field(description="Seconds from the start of the recording.", examples=[3.2])


class SttSegment(BaseModel):
    """A stretch of the text in one language, and of one speaker with `diarize`."""

    start: float = Field(description="Seconds from the start of the recording.", examples=[0.0])
    end: float = Field(description="Seconds from the start of the recording.", examples=[3.2])
    language: str = Field(description="ISO 639-1 code.", examples=["en"])
    language_name: str = Field(description="In English.", examples=["English"])
    text: str = Field(description="What is said.", examples=["Hello, there."])
    confidence: float = Field(ge=0, le=1, description="Mean of the words'.", examples=[0.97])
    words: list[SttWord] = Field(description="The words of this segment.")
    speakers: list[SttSpeaker] = Field(description="Who speaks when in this segment; empty without `diarize`.")
    chunk_idx: int | None = Field(
        None, description="Piece of a long recording; only there when it was recognised in pieces.", examples=[0]
    )


class SttWarning(BaseModel):
    """Something the caller should know about a success."""

    code: str = Field(description="For programs.", examples=["no_speech_detected"])
    message: str = Field(description="For people.", examples=["Nobody speaks in this recording"])
    affected_segments: list[int] = Field(
        description="Indices into `segments`; empty where it is about the whole recording.", examples=[[]]
    )


class SttLanguageDetection(BaseModel):
    """How the languages came about."""

    mode: LanguageSource = Field(description="The same as `language_source`.", examples=["fast_path"])
    candidates: list[str] = Field(description="Languages that could be chosen.", examples=[["en", "hi"]])
    segment_count: int = Field(ge=0, description="Segments of the text.", examples=[1])
    lid_calls: int = Field(ge=0, description="How often the language identifier was asked.", examples=[1])


class SttAnswer(BaseModel):
    """The answer of `POST /stt`."""

    request_id: str = Field(
        description="For questions about this request.", examples=["0a1b2c3d-4e5f-4607-8293-a4b5c6d7e8f9"]
    )
    text: str = Field(description="The whole text.", examples=["Hello, there. Yes."])
    language: str | None = Field(description="The one spoken longest; null where nobody speaks.", examples=["en"])
    language_name: str | None = Field(description="In English.", examples=["English"])
    languages: list[str] | None = Field(
        description="All languages in the order of their appearance where there is more than one, else null.",
        examples=[None],
    )
    language_source: LanguageSource = Field(description="How the language came about.", examples=["fast_path"])
    duration_sec: float = Field(ge=0, description="Length of the recording.", examples=[12.4])
    processing_ms: int = Field(ge=0, description="Time to the transcript.", examples=[800])
    rtf: float = Field(ge=0, description="Seconds of processing per second of audio.", examples=[0.0645])
    snr_db: float | None = Field(
        description="Signal-to-noise ratio; null where it cannot be estimated.", examples=[28.1]
    )
    segments: list[SttSegment] = Field(description="The text in pieces.")
    words: list[SttWord] = Field(description="The words of all segments, in order.")
    warnings: list[SttWarning] = Field(description="What the caller should know.")
    warning_codes: list[str] = Field(description="Their codes, each once.", examples=[[]])
    language_detection: SttLanguageDetection = Field(description="How the languages came about.")
    has_audio: bool = Field(description="Whether the file held any audio.", examples=[True])
    hash_id: str = Field(
        description="Fingerprint of the file: the same bytes have the same one.",
        examples=["9f86d081884c7d659a2feaa0c55ad015"],
    )


@dataclass(frozen=True, slots=True)
class WordDetails:
    """What the caller wants to know about each word."""

    times: bool
    confidences: bool


def to_answer(transcript: Transcript, details: WordDetails, processing_s: float, hash_id: str) -> SttAnswer:
    """The transcript as 60db writes it; parts that were not asked for stay unset."""
    segments = _segments(transcript, details)
    language = transcript.language
    spoken = list(dict.fromkeys(segment.language for segment in transcript.segments))
    detection = transcript.detection
    processing_ms = round(processing_s * 1000)
    duration_ms = transcript.duration_s * 1000
    return SttAnswer(
        request_id=transcript.request_id,
        text=transcript.text,
        language=language,
        language_name=None if language is None else language_name(language),
        languages=spoken if len(spoken) > 1 else None,
        language_source=detection.source,
        duration_sec=round(transcript.duration_s, 3),
        processing_ms=processing_ms,
        # Less than a sample is no duration to divide by.
        rtf=round(processing_ms / duration_ms, 4) if duration_ms >= 0.01 else 0.0,
        snr_db=None if transcript.snr_db is None else round(transcript.snr_db, 2),
        segments=segments,
        words=[word for segment in segments for word in segment.words],
        warnings=[
            SttWarning(code=warning.code.value, message=warning.message, affected_segments=list(warning.segments))
            for warning in transcript.warnings
        ],
        warning_codes=list(dict.fromkeys(warning.code.value for warning in transcript.warnings)),
        language_detection=SttLanguageDetection(
            mode=detection.source,
            candidates=list(detection.candidates),
            segment_count=len(segments),
            lid_calls=detection.lid_calls,
        ),
        has_audio=transcript.duration_s > 0,
        hash_id=hash_id,
    )


def _segments(transcript: Transcript, details: WordDetails) -> list[SttSegment]:
    turns = TimeIndex(transcript.turns)
    return [
        SttSegment(
            start=round(segment.start_s, 3),
            end=round(segment.end_s, 3),
            language=segment.language,
            language_name=language_name(segment.language),
            text=segment.text,
            confidence=round(segment.confidence, 4),
            words=[_word(word, details) for word in segment.words],
            speakers=_speakers(segment, turns),
            **({} if segment.chunk is None else {"chunk_idx": segment.chunk}),
        )
        for segment in transcript.segments
    ]


def _speakers(segment: Segment, turns: TimeIndex[SpeakerTurn]) -> list[SttSpeaker]:
    heard = [
        SttSpeaker(
            speaker=turn.speaker,
            start=round(max(turn.start_s, segment.start_s), 3),
            end=round(min(turn.end_s, segment.end_s), 3),
        )
        for turn in turns.sharing(segment.start_s, segment.end_s)
    ]
    if heard or segment.speaker is None:
        return heard
    # The words lie between turns, and were given to the nearest.
    return [SttSpeaker(speaker=segment.speaker, start=round(segment.start_s, 3), end=round(segment.end_s, 3))]


def _word(word: Word, details: WordDetails) -> SttWord:
    parts: dict[str, Any] = {}
    if details.times:
        parts |= {"start": round(word.start_s, 3), "end": round(word.end_s, 3)}
    if details.confidences:
        parts["confidence"] = round(word.confidence, 4)
    if word.boosted:
        parts["boosted"] = True
    if word.original is not None:
        parts["original"] = word.original
    return SttWord(word=word.text, **parts)
