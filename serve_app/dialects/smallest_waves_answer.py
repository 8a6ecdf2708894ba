"""The neutral transcript in the two forms of Smallest Waves: that of ``pulse`` and that of ``pulse-pro``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from deployments.contracts import Segment, Transcript, Word
from deployments.time_index import TimeIndex

Model = Literal["pulse", "pulse-pro"]


class Presentation(BaseModel):
    """How to write an answer, and what of the request it tells; kept with a job."""

    model: Model
    word_timestamps: bool
    capitalize: bool
    total_bytes: int
    filename: str | None

    def written(self, text: str) -> str:
        """Text in the casing that was asked for."""
        return text if self.capitalize else text.lower()


class WavesWord(BaseModel):
    """A word with the punctuation mark behind it."""

    word: str = Field(description="As in `transcription`.", examples=["Hello,"])
    start: float = Field(description="Seconds from the start of the recording.", examples=[0.16])
    end: float = Field(description="Seconds from the start of the recording.", examples=[1.12])
    confidence: float = Field(ge=0, le=1, description="How sure the recogniser is.", examples=[0.9975])
    speaker: int | None = Field(None, description="Only with `diarize`.", examples=[0])
    speaker_confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Only with `diarize`: the part of the word's time in which this speaker was heard.",
        examples=[1],
    )


class WavesUtterance(BaseModel):
    """A sentence, or what one speaker says of it."""

    text: str = Field(description="What is said.", examples=["Hello, how are you doing today?"])
    start: float = Field(description="Seconds from the start of the recording.", examples=[0.16])
    end: float = Field(description="Seconds from the start of the recording.", examples=[2.88])
    speaker: int | None = Field(None, description="Only with `diarize`.", examples=[0])


class WavesWarning(BaseModel):
    """Something the caller should know about a success."""

    code: str = Field(description="For programs.", examples=["no_speech_detected"])
    message: str = Field(description="For people.", examples=["Nobody speaks in this recording"])


class PulseMetadata(BaseModel):
    """About the recording."""

    duration: float = Field(description="Length of the recording in seconds.", examples=[5.28])
    fileSize: int = Field(description="Bytes received, or fetched.", examples=[465740])  # noqa: N815
    filename: str | None = Field(None, description="Only for a URL: the end of its path.", examples=["call.wav"])


class PulseProMetadata(BaseModel):
    """About the recording and the work."""

    duration: float = Field(description="Length of the recording in seconds.", examples=[5.6])
    processing_time_ms: float | None = Field(None, description="Time to the transcript.", examples=[240.51])
    rtfx: float | None = Field(None, description="Seconds of audio per second of processing.", examples=[23.3])
    num_chunks: int = Field(description="Pieces in which the recording was recognised.", examples=[1])
    filename: str | None = Field(None, description="Only for a URL: the end of its path.", examples=["call.wav"])


class _Answer(BaseModel):
    status: Literal["success"] = Field("success", description="Of this answer.", examples=["success"])
    transcription: str = Field(description="The whole text.", examples=["Hello, how are you doing today?"])
    words: list[WavesWord] = Field(description="Empty without `word_timestamps`.")
    warnings: list[WavesWarning] | None = Field(
        None, description="Ours, not the vendor's; only there when there are any."
    )


class PulseAnswer(_Answer):
    """The answer of `pulse`. It has no `request_id`: the vendor's SDK would take it for an accepted job."""

    utterances: list[WavesUtterance] = Field(description="Empty without `word_timestamps`.")
    metadata: PulseMetadata = Field(description="About the recording.")


class PulseProAnswer(_Answer):
    """The answer of `pulse-pro`."""

    language: str | None = Field(description="Detected or specified; null where nobody speaks.", examples=["en"])
    request_id: str = Field(
        description="For questions about this request.", examples=["87dd36c1-4267-472d-96ee-4113e0a770a6"]
    )
    totalBytes: int = Field(description="Bytes received, or fetched.", examples=[465740])  # noqa: N815
    metadata: PulseProMetadata = Field(description="About the recording and the work.")


class WavesAccepted(BaseModel):
    """The answer of a call with `webhook_url`: the job and its audio are stored."""

    status: Literal["processing"] = Field("processing", description="Of the job.", examples=["processing"])
    request_id: str = Field(
        description="The webhook's body carries it.", examples=["87dd36c1-4267-472d-96ee-4113e0a770a6"]
    )


def to_answer(
    transcript: Transcript, presentation: Presentation, processing_s: float | None
) -> PulseAnswer | PulseProAnswer:
    """The transcript as the model answers; parts that do not apply stay unset."""
    speakers = _Speakers(transcript)
    words = transcript.words if presentation.word_timestamps else ()
    parts: dict[str, Any] = {
        "status": "success",
        "transcription": presentation.written(transcript.text),
        "words": [_word(word, presentation, speakers) for word in words],
    }
    if transcript.warnings:
        parts["warnings"] = [
            WavesWarning(code=warning.code.value, message=warning.message) for warning in transcript.warnings
        ]
    if presentation.model == "pulse-pro":
        return PulseProAnswer(
            language=transcript.language,
            request_id=transcript.request_id,
            totalBytes=presentation.total_bytes,
            metadata=_pulse_pro_metadata(transcript, presentation, processing_s),
            **parts,
        )
    segments = transcript.segments if presentation.word_timestamps else ()
    return PulseAnswer(
        utterances=[_utterance(segment, presentation, speakers) for segment in segments],
        metadata=_pulse_metadata(transcript, presentation),
        **parts,
    )


def _pulse_metadata(transcript: Transcript, presentation: Presentation) -> PulseMetadata:
    return PulseMetadata(
        duration=round(transcript.duration_s, 3), fileSize=presentation.total_bytes, **_filename(presentation)
    )


def _pulse_pro_metadata(
    transcript: Transcript, presentation: Presentation, processing_s: float | None
) -> PulseProMetadata:
    timing: dict[str, Any] = {}
    if processing_s:
        timing["processing_time_ms"] = round(processing_s * 1000, 2)
        timing["rtfx"] = round(transcript.duration_s / processing_s, 2)
    return PulseProMetadata(
        duration=round(transcript.duration_s, 3),
        num_chunks=1 + max((segment.chunk or 0 for segment in transcript.segments), default=0),
        **timing,
        **_filename(presentation),
    )


def _filename(presentation: Presentation) -> dict[str, str]:
    return {"filename": presentation.filename} if presentation.filename else {}


class _Speakers:
    """Numbers for speakers, and how much of a word each was heard in."""

    def __init__(self, transcript: Transcript) -> None:
        labels = {turn.speaker for turn in transcript.turns} | {segment.speaker for segment in transcript.segments}
        self._numbers = {label: number for number, label in enumerate(sorted(filter(None, labels)))}
        self._turns = TimeIndex(transcript.turns)

    def of_segment(self, segment: Segment) -> dict[str, int]:
        return {} if segment.speaker is None else {"speaker": self._numbers[segment.speaker]}

    def of_word(self, word: Word) -> dict[str, Any]:
        if word.speaker not in self._numbers:
            return {}
        heard_s = sum(
            min(turn.end_s, word.end_s) - max(turn.start_s, word.start_s)
            for turn in self._turns.sharing(word.start_s, word.end_s)
            if turn.speaker == word.speaker
        )
        length_s = word.end_s - word.start_s
        share = {"speaker_confidence": round(min(heard_s / length_s, 1.0), 4)} if length_s > 0 else {}
        return {"speaker": self._numbers[word.speaker], **share}


def _word(word: Word, presentation: Presentation, speakers: _Speakers) -> WavesWord:
    return WavesWord(
        word=presentation.written(word.text),
        start=round(word.start_s, 3),
        end=round(word.end_s, 3),
        confidence=round(word.confidence, 4),
        **speakers.of_word(word),
    )


def _utterance(segment: Segment, presentation: Presentation, speakers: _Speakers) -> WavesUtterance:
    return WavesUtterance(
        text=presentation.written(segment.text),
        start=round(segment.start_s, 3),
        end=round(segment.end_s, 3),
        **speakers.of_segment(segment),
    )
