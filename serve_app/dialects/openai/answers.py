"""A transcript in the forms of OpenAI's answers. Pure."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, Field

from deployments.contracts import Segment, Transcript, TranscriptionWarning, Word
from deployments.text_joining import sentence_separator, separator
from serve_app.dialects.languages import language_name
from serve_app.dialects.openai.parameters import TranscriptionOptions

# The logarithm of a confidence of 0 could not be written in JSON.
_LEAST_CONFIDENCE = 1e-10

# Where Whisper's tokenizer, whose names these are, has another one than the CLDR.
_WHISPERS_NAMES = {"bn": "bengali", "mi": "maori", "my": "myanmar", "nn": "nynorsk", "tl": "tagalog"}


class DurationUsage(BaseModel):
    """What the request is charged for."""

    type: Literal["duration"] = Field("duration", description="Audio is charged by its length.", examples=["duration"])
    seconds: float = Field(description="Length of the audio; 0 where nobody speaks.", examples=[1.5])


class LanguageCode(BaseModel):
    """A language that is spoken."""

    code: str = Field(description="ISO 639-1.", examples=["en"])


class LogProbability(BaseModel):
    """How sure the recogniser was of one word."""

    token: str = Field(
        description="A word, with the space in front of it: a word is the smallest piece that has a confidence here.",
        examples=[" there."],
    )
    bytes: list[int] = Field(description="The token in UTF-8.", examples=[[32, 116, 104, 101, 114, 101, 46]])
    logprob: float = Field(description="Natural logarithm of the word's confidence.", examples=[-0.2231])


class AnswerWarning(BaseModel):
    """Something the caller should know about a success."""

    code: str = Field(description="For programs.", examples=["no_speech_detected"])
    message: str = Field(description="For people.", examples=["Nobody speaks in this recording"])


class _Answer(BaseModel):
    warnings: list[AnswerWarning] | None = Field(
        None, description="Ours, not the vendor's; only there when there are any."
    )


class TextTranscription(_Answer):
    """The answer to `response_format=json`."""

    text: str = Field(description="All that was said.", examples=["Hello, there. Yes."])
    languages: list[LanguageCode] = Field(
        description="In the order in which they are spoken; empty where nobody speaks.", examples=[[{"code": "en"}]]
    )
    logprobs: list[LogProbability] | None = Field(None, description="Only with `include[]=logprobs`; one per word.")
    usage: DurationUsage = Field(description="What is charged.", examples=[{"type": "duration", "seconds": 1.5}])


class VerboseWord(BaseModel):
    """A word and its time."""

    word: str = Field(description="With its punctuation.", examples=["Hello,"])
    start: float = Field(description="Seconds from the start of the recording.", examples=[0.1])
    end: float = Field(description="Seconds from the start of the recording.", examples=[0.4])


class VerboseSegment(BaseModel):
    """A sentence, or what was said between two pauses."""

    id: int = Field(description="Counts from 0.", examples=[0])
    seek: int = Field(description="Where the segment starts, in Whisper's frames of 10 ms.", examples=[10])
    start: float = Field(description="Seconds from the start of the recording.", examples=[0.1])
    end: float = Field(description="Seconds from the start of the recording.", examples=[0.9])
    text: str = Field(description="What was said.", examples=["Hello, there."])
    tokens: list[int] = Field(
        description="Always empty: the numbers of a tokenizer that is not Whisper's would mislead.", examples=[[]]
    )
    temperature: float = Field(description="Always 0: beam search draws no samples.", examples=[0.0])
    avg_logprob: float = Field(
        description="Mean of the natural logarithms of the words' confidences.", examples=[-0.1643]
    )
    compression_ratio: float = Field(
        description="Bytes of the text, by bytes after zlib, as Whisper computes it; high where text repeats itself.",
        examples=[0.619],
    )
    no_speech_prob: float = Field(
        description="Always 0: the speech gate has removed what is no speech before anything was recognised.",
        examples=[0.0],
    )


class VerboseTranscription(_Answer):
    """The answer to `response_format=verbose_json`."""

    task: Literal["transcribe"] = Field("transcribe", description="What was done.", examples=["transcribe"])
    language: str = Field(
        description="Whisper's name of the language that is spoken most. Where nobody speaks, of the one that was "
        "asked for, or `unknown`.",
        examples=["english"],
    )
    duration: float = Field(description="Length of the recording in seconds.", examples=[1.5])
    text: str = Field(description="All that was said.", examples=["Hello, there. Yes."])
    segments: list[VerboseSegment] | None = Field(None, description="Unless only words were asked for.")
    words: list[VerboseWord] | None = Field(None, description="Only with `timestamp_granularities[]=word`.")
    usage: DurationUsage = Field(description="What is charged.", examples=[{"type": "duration", "seconds": 1.5}])


class DiarizedSegment(BaseModel):
    """What one speaker said without a pause."""

    type: Literal["transcript.text.segment"] = Field(
        "transcript.text.segment", description="The same as the event's.", examples=["transcript.text.segment"]
    )
    id: str = Field(description="Counts from 0.", examples=["seg_0"])
    start: float = Field(description="Seconds from the start of the recording.", examples=[0.1])
    end: float = Field(description="Seconds from the start of the recording.", examples=[0.9])
    speaker: str = Field(description="`A` is who speaks first, `B` the next, and so on.", examples=["A"])
    text: str = Field(description="What was said.", examples=["Hello, there."])


class DiarizedTranscription(_Answer):
    """The answer to `response_format=diarized_json`."""

    task: Literal["transcribe"] = Field("transcribe", description="What was done.", examples=["transcribe"])
    duration: float = Field(description="Length of the recording in seconds.", examples=[1.5])
    text: str = Field(description="All that was said.", examples=["Hello, there. Yes."])
    segments: list[DiarizedSegment] = Field(description="In the order in which they begin.")
    usage: DurationUsage = Field(description="What is charged.", examples=[{"type": "duration", "seconds": 1.5}])


class SpeakerLetters:
    """Names speakers A, B, … Z, AA, AB, … in the order in which they come."""

    def __init__(self) -> None:
        self._letters: dict[str | None, str] = {}

    def name(self, speaker: str | None) -> str:
        """The letters of a speaker. Those whom the diarizer could not tell (None) count as one more."""
        return self._letters.setdefault(speaker, _letters(len(self._letters)))


def _letters(index: int) -> str:
    before, last = divmod(index, 26)
    return (_letters(before - 1) if before else "") + chr(ord("A") + last)


def json_answer(
    transcript: Transcript, options: TranscriptionOptions
) -> TextTranscription | VerboseTranscription | DiarizedTranscription:
    """The answer in one of the three JSON formats; parts that were not asked for stay unset."""
    usage = DurationUsage(type="duration", seconds=round(transcript.usage.billable_s, 3))
    match options.response_format:
        case "verbose_json":
            return _verbose(transcript, options, usage)
        case "diarized_json":
            return _diarized(transcript, usage)
        case _:
            logprobs = {"logprobs": log_probabilities(transcript.segments)} if options.logprobs else {}
            languages = languages_of(transcript.segments)
            return TextTranscription(
                text=transcript.text,
                languages=languages,
                usage=usage,
                **logprobs,
                **warnings_of(transcript.warnings),
            )


def warnings_of(warnings: Iterable[TranscriptionWarning]) -> dict[str, list[AnswerWarning]]:
    """The field ``warnings`` of an answer or event: nothing where there are none."""
    written = [AnswerWarning(code=warning.code.value, message=warning.message) for warning in warnings]
    return {"warnings": written} if written else {}


def languages_of(segments: Iterable[Segment]) -> list[LanguageCode]:
    """The languages that are spoken, in order of appearance."""
    return [LanguageCode(code=code) for code in dict.fromkeys(segment.language for segment in segments)]


def log_probabilities(segments: Iterable[Segment], before: str = "") -> list[LogProbability]:
    """One entry for each word, with the space in front of it; ``before`` is the text that the segments follow."""
    entries = []
    for segment in segments:
        space = sentence_separator(before, segment.text)
        for index, word in enumerate(segment.words):
            if index:
                space = separator(segment.words[index - 1].text, word.text)
            token = space + word.text
            entries.append(LogProbability(token=token, bytes=list(token.encode()), logprob=log_probability(word)))
        before = segment.text or before
    return entries


def diarized_segment(index: int, segment: Segment, letters: SpeakerLetters) -> DiarizedSegment:
    """A segment with its speaker; index counts from 0 over the transcript."""
    return DiarizedSegment(
        type="transcript.text.segment",
        id=f"seg_{index}",
        start=round(segment.start_s, 3),
        end=round(segment.end_s, 3),
        speaker=letters.name(segment.speaker),
        text=segment.text,
    )


def _verbose(transcript: Transcript, options: TranscriptionOptions, usage: DurationUsage) -> VerboseTranscription:
    wanted = options.timestamp_granularities or ("segment",)
    language = transcript.language or options.language
    parts = {}
    if "segment" in wanted:
        parts["segments"] = [_verbose_segment(index, segment) for index, segment in enumerate(transcript.segments)]
    words = [_verbose_word(word) for word in transcript.words] if "word" in wanted else None
    return VerboseTranscription(
        task="transcribe",
        language=_WHISPERS_NAMES.get(language, language_name(language).lower()) if language else "unknown",
        duration=round(transcript.duration_s, 3),
        text=transcript.text,
        usage=usage,
        **parts,
        **({} if words is None else {"words": words}),
        **warnings_of(transcript.warnings),
    )


def _diarized(transcript: Transcript, usage: DurationUsage) -> DiarizedTranscription:
    letters = SpeakerLetters()
    return DiarizedTranscription(
        task="transcribe",
        duration=round(transcript.duration_s, 3),
        text=transcript.text,
        segments=[diarized_segment(index, segment, letters) for index, segment in enumerate(transcript.segments)],
        usage=usage,
        **warnings_of(transcript.warnings),
    )


def _verbose_word(word: Word) -> VerboseWord:
    return VerboseWord(word=word.text, start=round(word.start_s, 3), end=round(word.end_s, 3))


def _verbose_segment(index: int, segment: Segment) -> VerboseSegment:
    return VerboseSegment(
        id=index,
        seek=int(segment.start_s * 100),
        start=round(segment.start_s, 3),
        end=round(segment.end_s, 3),
        text=segment.text,
        tokens=[],
        temperature=0.0,
        avg_logprob=_mean_log_probability(segment.words),
        compression_ratio=_compression_ratio(segment.text),
        no_speech_prob=0.0,
    )


def log_probability(word: Word) -> float:
    """Natural logarithm of the confidence; always a number that JSON can write."""
    return round(math.log(max(word.confidence, _LEAST_CONFIDENCE)), 4)


def _mean_log_probability(words: Sequence[Word]) -> float:
    return round(sum(log_probability(word) for word in words) / len(words), 4) if words else 0.0


def _compression_ratio(text: str) -> float:
    """As in Whisper's utils.py."""
    content = text.encode()
    return round(len(content) / len(zlib.compress(content)), 4)
