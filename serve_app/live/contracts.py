"""What a live session is asked, and what it says. Times are seconds of audio from the session's first sample."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from deployments.contracts import RefinementContext, SpeakerCount, TranscriptionWarning, VocabularyTerm, Word
from deployments.errors import ServiceUnavailable
from serve_app.access.visit import Visit


class Encoding(StrEnum):
    """How samples are written: little endian, mono."""

    PCM_S16 = "pcm_s16"
    PCM_S32 = "pcm_s32"
    MULAW = "mulaw"
    ALAW = "alaw"
    OPUS = "opus"
    """One bare Opus packet in each message."""
    OGG_OPUS = "ogg_opus"


END_SILENCE_S = 0.448
"""The silence that ends an utterance where the client names none: fourteen windows of the VAD.

The vendors' defaults are 0.5 and 0.8 s. A final comes some 0.03 s later, and is to come half a second after speech
ends; but each end in the middle of a sentence costs words: of read English 14.6 % are wrong with 0.35 s, 12.6 % with
0.5 s, and 11.2 % in the same clips as files (docs/benchmarks.md).
"""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What a client sends. Opus knows its own rate; there, sample_rate_hz is ignored."""

    encoding: Encoding = Encoding.PCM_S16
    sample_rate_hz: int = 16_000


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Everything a socket dialect can ask.

    Attributes:
        request_id: names the session in logs and in the ledger.
        audio: what the client sends.
        language: ISO 639-1; None: find out, among candidates where there are any.
        candidates: see language.
        punctuate: write punctuation and capitals.
        partials: whether unfinished text is wanted.
        partial_interval_s: how often, while somebody speaks.
        endpointing: whether silence ends an utterance; without it only ``finalize`` does, and the longest window.
        end_silence_s: the silence that does.
        speech_threshold: probability of speech above which a frame counts; None: the engine's own.
        max_words: an utterance of so many words is final; None: the engine's longest window is the limit.
        diarize: name the speaker of finals.
        speaker_count: what is known of how many there are; see SpeakerRegister.
        vocabulary: names and terms to listen for.
        numerals: finals have numbers in digits; see RefinementTask.
        context: what the client tells; with it finals come twice, see Final.
        prompt: what is talked about, for a recogniser that can be biased.
        model: names a recogniser; None, or a name that is not known: the first that there is.
    """

    request_id: str
    audio: AudioFormat = AudioFormat()
    language: str | None = None
    candidates: tuple[str, ...] = ()
    punctuate: bool = True
    partials: bool = True
    partial_interval_s: float = 0.5
    endpointing: bool = True
    end_silence_s: float = END_SILENCE_S
    speech_threshold: float | None = None
    max_words: int | None = None
    diarize: bool = False
    speaker_count: SpeakerCount = field(default_factory=SpeakerCount)
    vocabulary: tuple[VocabularyTerm, ...] = ()
    context: RefinementContext | None = None
    numerals: bool = False
    prompt: str = ""
    model: str | None = None


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak."""

    at_s: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Nobody speaks any more."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Partial:
    """What the running utterance sounds like so far. ``stable_words`` of its words are not expected to change."""

    utterance: int
    text: str
    words: tuple[Word, ...]
    start_s: float
    end_s: float
    stable_words: int = 0


@dataclass(frozen=True, slots=True)
class Final:
    """An utterance, for good. An empty one answers a ``finalize`` when nothing was said.

    ``speaker`` is that of all its words: None where none was asked for, or none could be told.

    With a context a final with words comes twice: as it was recognised, ``is_provisional``, and soon after as a
    language model has ``polished`` it, or, where that could not be done, as it was. Others may come in between.

    With a ``failure`` it has no words because it could not be recognised: that costs nothing, and the session goes on.
    """

    utterance: int
    text: str
    words: tuple[Word, ...]
    start_s: float
    end_s: float
    language: str | None
    speaker: str | None = None
    snr_db: float | None = None
    from_finalize: bool = False
    is_provisional: bool = False
    polished: bool = False
    warnings: tuple[TranscriptionWarning, ...] = ()
    failure: ServiceUnavailable | None = None


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The last event of a session that ended as it should: everything that was sent has been answered."""

    audio_s: float
    billable_s: float


LiveEvent = SpeechStarted | SpeechEnded | Partial | Final | SessionEnded


class LiveSession(Protocol):
    """One connection's session. All methods belong to one event loop; ``events`` is iterated by one task."""

    async def feed(self, data: bytes) -> None:
        """Take the next message of audio, of any size; a sample may be cut across two.

        Raises:
            UnsupportedAudio: it cannot be decoded.
            ClientTooFast: more audio waits than may.
            RayscribeError: why the session is over.
            IllegalMove: the session is closing.
        """
        ...

    async def finalize(self) -> None:
        """End the running utterance now; answered by a Final with from_finalize, maybe an empty one."""
        ...

    async def clear(self) -> None:
        """Forget the running utterance."""
        ...

    async def close(self) -> None:
        """No more audio: what was sent is finished, then the events end with SessionEnded."""
        ...

    def close_for(self, reason: Exception) -> None:
        """Take no more: what was sent is finished, then the events end with this error.

        Calls are left out from now on. A session that is closing already ends as it would have.
        """
        ...

    def events(self) -> AsyncIterator[LiveEvent]:
        """Everything the session says, in order, until SessionEnded.

        Raises:
            RayscribeError: why the session cannot go on. One utterance that is lost is no reason; several are.
        """
        ...


class LiveService(Protocol):
    """Opens sessions."""

    def open(self, visit: Visit, options: LiveOptions) -> AbstractAsyncContextManager[LiveSession]:
        """A session for the time of the context; leaving it early stops its work and meters what was done.

        Raises:
            InvalidParameter, UnsupportedParameter, FeatureNotInPlan: the options cannot be honoured.
            Overloaded: this process holds as many sessions as it may.
        """
        ...
