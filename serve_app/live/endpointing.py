"""When an utterance begins and ends: from probabilities of speech to events. Pure: no audio, no clock.

Everything is counted in samples of 16 kHz from the first of the stream. One utterance is open at most; its audio begins
some time before its speech. An end comes in two steps: after a short silence it is likely, and recognition may begin on
the very stretch that will be final if the silence lasts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ
from serve_app.live.voice_activity import WINDOW_SAMPLES, VoiceActivity


@dataclass(frozen=True, slots=True)
class EndpointingSettings:
    """What counts as speech, and as its end.

    Attributes:
        enter_probability: speech begins in a window that reaches this. Silero's own default.
        exit_probability: it stops in a window below this; lower, so that one doubtful window does not split a word.
        min_speech_s: an onset that does not hold up for so long is none: a click, a cough.
        end_silence_s: silence behind speech that ends it, and the utterance.
        silence_ends_utterances: whether it does end the utterance; without it only ``finalize`` and longest_s do.
        likely_end_s: silence after which an end is likely. The audio of an utterance ends so long behind its speech.
        preroll_s: audio in front of the speech: its first consonant is heard late, and the recogniser wants air.
        longest_s: an utterance reaches at most this, the recogniser's best window, and is cut then.
        earliest_cut: such a cut is not before this share of longest_s, so that it leaves no crumbs.
    """

    enter_probability: float = 0.5
    exit_probability: float = 0.35
    min_speech_s: float = 0.1
    end_silence_s: float = 0.5
    silence_ends_utterances: bool = True
    likely_end_s: float = 0.2
    preroll_s: float = 0.5
    longest_s: float = 15.0
    earliest_cut: float = 0.4


@dataclass(frozen=True, slots=True)
class SpeechOnset:
    """Somebody began to speak at this sample."""

    at: int


@dataclass(frozen=True, slots=True)
class SpeechOffset:
    """Nobody has spoken since this sample, for end_silence_s."""

    at: int


@dataclass(frozen=True, slots=True)
class UtteranceOpened:
    """An utterance runs; its audio begins at ``start``."""

    start: int


@dataclass(frozen=True, slots=True)
class LikelyEnd:
    """If the silence lasts, UtteranceClosed will name the same stretch: recognise it now."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class EndRevoked:
    """Speech goes on: what followed from the last LikelyEnd is void."""


class CloseCause(StrEnum):
    """Why an utterance ended."""

    SILENCE = "silence"
    LONGEST = "longest"
    WORDS = "words"
    FINALIZE = "finalize"


@dataclass(frozen=True, slots=True)
class UtteranceClosed:
    """The running utterance is the audio from ``start`` to ``end``, for good."""

    start: int
    end: int
    cause: CloseCause


EndpointEvent = SpeechOnset | SpeechOffset | UtteranceOpened | LikelyEnd | EndRevoked | UtteranceClosed


class Endpointer:
    """One stream's state machine. See the events; they come in the order of the stream."""

    def __init__(self, settings: EndpointingSettings) -> None: ...

    @property
    def utterance_start(self) -> int | None:
        """Where the running utterance's audio begins; None while none is open."""
        ...

    @property
    def utterance_end(self) -> int | None: ...

    def advance(self, activity: VoiceActivity) -> list[EndpointEvent]:
        """Take the next windows."""
        ...

    def split(self, at: int) -> list[EndpointEvent]:
        """Close the running utterance at a sample inside it; the rest goes on as the next (cause WORDS)."""
        ...

    def finalize(self, now: int) -> list[EndpointEvent]:
        """Close the running utterance now: ``now`` is the number of samples received. Nothing if none is open."""
        ...

    def clear(self, now: int) -> list[EndpointEvent]:
        """Forget the running utterance without closing it; what comes next is new."""
        ...
