"""The values that travel between stages. Frozen, picklable, free of Ray and HTTP.

Times are seconds from the start of the recording unless a name says otherwise. An array that arrives from another
stage is a read-only view of shared memory: copy before writing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 16_000
"""The one rate between stages; every model of the embedded profile was trained at it."""

Samples = npt.NDArray[np.float32]
"""Mono audio at SAMPLE_RATE_HZ, shape [n], nominally within -1..1."""


class WarningCode(StrEnum):
    """What a caller should know about a transcript that is otherwise a success."""

    NO_SPEECH_DETECTED = "no_speech_detected"
    LOW_SNR_DROPPED = "low_snr_dropped"
    AUDIO_TRUNCATED = "audio_truncated"
    DEGENERATE_OUTPUT_DROPPED = "degenerate_output_dropped"
    LLM_REFINEMENT_NOT_IN_PLAN = "llm_refinement_not_in_plan"
    INLINE_CODE_SWITCH_PARTIAL = "inline_code_switch_partial"
    LLM_REFINEMENT_REJECTED = "llm_refinement_rejected"
    LLM_REFINEMENT_UNAVAILABLE = "llm_refinement_unavailable"


@dataclass(frozen=True, slots=True)
class TranscriptionWarning:
    """A code for programs and a sentence for people.

    ``segments`` are the indices of those that it is about; empty where it is about the whole recording.
    """

    code: WarningCode
    message: str
    segments: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A stretch of the recording."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Length of the span."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Decoded audio: samples is mono float32 at SAMPLE_RATE_HZ, contiguous, shape [n]."""

    samples: Samples
    warnings: tuple[TranscriptionWarning, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length of the recording."""
        return len(self.samples) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class SpeechMap:
    """Where somebody speaks, and how clearly.

    ``regions`` are sorted, disjoint, padded and merged for recognition. ``snr_db`` is None where it cannot be
    estimated (no speech, or no pause to measure the noise in).
    """

    duration_s: float
    regions: tuple[TimeSpan, ...]
    snr_db: float | None
    warnings: tuple[TranscriptionWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class LanguageSpan:
    """A stretch of the recording in one language (ISO 639-1) and the probability of the label."""

    span: TimeSpan
    language: str
    probability: float


class LanguageSource(StrEnum):
    """How the language of a transcript came about."""

    FAST_PATH = "fast_path"
    LID_PER_SEGMENT = "lid_per_segment"
    LONG_AUDIO_CHUNKED = "long_audio_chunked"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class LanguageDetection:
    """Among which languages the choice was, and how often the identifier was asked: never, where one was known."""

    source: LanguageSource
    candidates: tuple[str, ...]
    lid_calls: int


@dataclass(frozen=True, slots=True)
class VocabularyTerm:
    """A name or term that the recording may contain, and how readily a word that sounds like it becomes it."""

    text: str
    weight: float = 1.5


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Terms as they travel: in one piece, which is pickled, hashed and compared as the bytes that it is.

    It goes out with every partial text. Ten thousand terms by themselves take 15 ms to pickle and 14 ms to unpickle, in
    the event loops of both sides; in one piece, 0.1 ms.

    Attributes:
        written: the terms as JSON.
        count: how many they are.
    """

    written: bytes = b"[]"
    count: int = 0

    @classmethod
    def of(cls, terms: Iterable[VocabularyTerm]) -> Vocabulary:
        """In the order given."""
        pairs = [(term.text, term.weight) for term in terms]
        return cls(json.dumps(pairs).encode(), len(pairs))

    @property
    def terms(self) -> tuple[VocabularyTerm, ...]:
        """The terms, read anew each time."""
        return tuple(VocabularyTerm(text, weight) for text, weight in json.loads(self.written))


NO_TERMS = Vocabulary()


@dataclass(frozen=True, slots=True)
class RefinementContext:
    """What a caller tells about a recording, for a language model that polishes its text.

    ``general`` are facts by name ("domain", "healthcare"), ``text`` is a paragraph, ``terms`` are names and terms that
    may be said.
    """

    general: tuple[tuple[str, str], ...] = ()
    text: str = ""
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Word:
    """One word as recognised. ``original`` is what was heard where refinement replaced it."""

    text: str
    start_s: float
    end_s: float
    confidence: float
    speaker: str | None = None
    boosted: bool = False
    original: str | None = None


@dataclass(frozen=True, slots=True)
class RecognizedSpan:
    """What the recogniser made of one span: word times count from the start of the recording."""

    span: TimeSpan
    language: str
    words: tuple[Word, ...]
    warnings: tuple[TranscriptionWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeakerTurn:
    """One speaker talking without a pause. Turns of different speakers may overlap."""

    speaker: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Voiceprint:
    """How somebody's voice sounds: embedding is float32 of unit length, shape [256], and rests on speech_s of speech.

    The inner product of two embeddings, their cosine, says how alike the voices are.
    """

    embedding: npt.NDArray[np.float32]
    speech_s: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the transcript with one language and, after diarization, one speaker.

    ``chunk`` numbers the pieces in which a long recording was recognised; None where it was one.
    """

    start_s: float
    end_s: float
    text: str
    language: str
    words: tuple[Word, ...]
    speaker: str | None = None
    chunk: int | None = None

    @property
    def confidence(self) -> float:
        """Mean of the words'; 0 without words."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What is metered: zero billable seconds where the gate ended the request."""

    billable_s: float


@dataclass(frozen=True, slots=True)
class SpeakerCount:
    """What the caller knows about how many people speak; ``exact`` excludes the other two."""

    exact: int | None = None
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The span that work is done for, as W3C Trace Context writes it in headers."""

    traceparent: str
    tracestate: str = ""


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """Everything a dialect can ask of the pipeline today. ``numerals`` and ``script_correction``: see RefinementTask.

    Language None means: find out, among ``candidates`` where there are any. ``max_duration_s`` is the limit
    of the dialect; the Decoder keeps the service's besides. With a ``context`` a language model polishes the text.
    ``prompt`` is text that recognisers which can be biased are given; others do not see it. ``model`` names a
    recogniser; None, or a name that is not known, is the first that there is.
    """

    request_id: str
    language: str | None = None
    candidates: tuple[str, ...] = ()
    punctuate: bool = True
    diarize: bool = False
    speaker_count: SpeakerCount = field(default_factory=SpeakerCount)
    vocabulary: tuple[VocabularyTerm, ...] = ()
    max_duration_s: float | None = None
    context: RefinementContext | None = None
    numerals: bool = False
    script_correction: bool = False
    prompt: str = ""
    model: str | None = None


@dataclass(frozen=True, slots=True)
class RecognitionTask:
    """How a request's spans are to be recognised.

    ``live`` is served before files; of what is live, ``partial`` comes last: it will be overtaken by newer text anyway.
    ``hints`` are names and terms that may occur, the most important first, for engines that can be biased.
    """

    timeout_s: float
    live: bool = False
    partial: bool = False
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefinementTask:
    """What refinement may do to the text.

    Without a ``context`` no language model sees it. With one, the model has ``polish_timeout_s`` or its own limit,
    whichever is less. ``numerals``: numbers, percentages and addresses are written as such, in ASCII digits, where the
    language's rules are known. ``script_correction``: words in another script than that of their language are brought
    to it, Devanagari or Latin.
    """

    punctuate: bool = True
    vocabulary: Vocabulary = NO_TERMS
    context: RefinementContext | None = None
    polish_timeout_s: float = math.inf
    numerals: bool = False
    script_correction: bool = False


@dataclass(frozen=True, slots=True)
class Refined:
    """What refinement made of segments. ``polished``: a language model has seen them, and its answer was of use."""

    segments: tuple[Segment, ...]
    warnings: tuple[TranscriptionWarning, ...] = ()
    polished: bool = False


@dataclass(frozen=True, slots=True)
class Transcript:
    """The answer in one neutral form; every dialect is a projection of it.

    ``language`` is None where nobody speaks. ``turns`` is empty unless diarization was asked for.
    """

    request_id: str
    text: str
    language: str | None
    duration_s: float
    segments: tuple[Segment, ...]
    turns: tuple[SpeakerTurn, ...]
    snr_db: float | None
    warnings: tuple[TranscriptionWarning, ...]
    usage: Usage
    detection: LanguageDetection = LanguageDetection(LanguageSource.FAST_PATH, (), 0)

    @property
    def confidence(self) -> float:
        """Mean of the words'; 0 without words."""
        words = self.words
        return sum(word.confidence for word in words) / len(words) if words else 0.0

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order."""
        return tuple(word for segment in self.segments for word in segment.words)
