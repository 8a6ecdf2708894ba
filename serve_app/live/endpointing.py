"""When an utterance begins and ends: from probabilities of speech to events. Pure: no audio, no clock.

Everything is counted in samples of 16 kHz from the first of the stream. One utterance is open at most; its audio begins
some time before its speech. An end comes in two steps: after a short silence it is likely, and recognition may begin on
the very stretch that will be final if the silence lasts.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from deployments.contracts import SAMPLE_RATE_HZ
from serve_app.live.cut_point import Window, best_cut
from serve_app.live.voice_activity import WINDOW_SAMPLES, VoiceActivity

_HYSTERESIS = 0.15
_LOWEST_EXIT = 0.01


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
            0.5 s would make 11.8 % word errors instead of 12.3 % (see below), but leave no time to recognise in.
        preroll_s: audio in front of the speech: its first consonant is heard late, and the recogniser wants air. On 112
            read English clips as live streams Moonshine tiny made 13.2 % word errors with 0.5 s, 12.3 % with 0.7 s and
            12.6 % with 1 s; on the whole clips 12.1 %.
        longest_s: an utterance reaches at most this, the recogniser's best window, and is cut then.
        earliest_cut: such a cut is not before this share of longest_s, so that it leaves no crumbs.
    """

    enter_probability: float = 0.5
    exit_probability: float = 0.35
    min_speech_s: float = 0.1
    end_silence_s: float = 0.5
    silence_ends_utterances: bool = True
    likely_end_s: float = 0.2
    preroll_s: float = 0.7
    longest_s: float = 15.0
    earliest_cut: float = 0.4

    def __post_init__(self) -> None:
        if not 0.0 < self.exit_probability <= self.enter_probability <= 1.0:
            raise ValueError("need 0 < exit_probability <= enter_probability <= 1")
        if min(self.min_speech_s, self.end_silence_s, self.likely_end_s) <= 0.0 or self.preroll_s < 0.0:
            raise ValueError("durations must be positive")
        if not 0.0 < self.earliest_cut < 1.0:
            raise ValueError("earliest_cut is a share")
        if self.earliest_cut * self.longest_s < self.preroll_s + self.min_speech_s:
            raise ValueError("longest_s leaves no room behind preroll_s")

    def with_threshold(self, enter_probability: float) -> EndpointingSettings:
        """The same with another threshold; the exit lies 0.15 below, as Silero's own iterator has it."""
        return replace(
            self,
            enter_probability=enter_probability,
            exit_probability=max(enter_probability - _HYSTERESIS, min(enter_probability, _LOWEST_EXIT)),
        )


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


class _Voice(StrEnum):
    """Whether somebody speaks."""

    SILENT = "silent"
    RISING = "rising"
    """Maybe: the run is still shorter than speech must be."""
    SPEAKING = "speaking"
    FALLING = "falling"
    """Not in this window, but the silence is still shorter than one that ends speech."""


class Endpointer:
    """One stream's state machine: SILENT > RISING > SPEAKING > FALLING > SILENT, and back from RISING and FALLING.

    Between SpeechOnset and SpeechOffset the voice is SPEAKING or FALLING. An utterance opens while it is SPEAKING; it
    may be closed in any state. No two utterances share a sample.
    """

    def __init__(self, settings: EndpointingSettings) -> None:
        self._settings = settings
        self._min_speech = _whole_windows(settings.min_speech_s)
        self._end_silence = _whole_windows(settings.end_silence_s)
        self._tail = min(_whole_windows(settings.likely_end_s), self._end_silence)
        self._preroll = _whole_windows(settings.preroll_s)
        self._longest = int(settings.longest_s * SAMPLE_RATE_HZ)
        self._voice = _Voice.SILENT
        self._now = 0
        self._onset = 0
        self._stop = 0
        self._start: int | None = None
        self._floor = 0
        self._likely_end_is_told = False
        self._recent: deque[Window] = deque(maxlen=self._longest // WINDOW_SAMPLES + 1)

    @property
    def utterance_end(self) -> int | None:
        """Where the open utterance's audio ends, were it closed now: at most the windows taken. None: none is open."""
        return None if self._start is None else self._end_of_audio(self._now)

    def advance(self, activity: VoiceActivity) -> list[EndpointEvent]:
        """Take the next windows of the stream."""
        events: list[EndpointEvent] = []
        for probability, level_dbfs in zip(activity.probabilities, activity.levels_dbfs, strict=True):
            window = Window(self._now, float(probability), float(level_dbfs))
            self._recent.append(window)
            self._now += WINDOW_SAMPLES
            events += self._follow_voice(window)
            events += self._limit_length()
        return events

    def split(self, at: int) -> list[EndpointEvent]:
        """Close the running utterance at a sample inside it (cause WORDS); speech behind it begins the next.

        Raises:
            ValueError: there is no such utterance.
        """
        start = self._start
        if start is None or not start < at <= self._now:
            raise ValueError(f"sample {at} is not inside the running utterance")
        speech_end = self._now if self._voice is _Voice.SPEAKING else self._stop
        closed = self._close(start, at, CloseCause.WORDS)
        return [closed, self._open(at)] if at < speech_end else [closed]

    def finalize(self, now: int) -> list[EndpointEvent]:
        """Close the running utterance (cause FINALIZE), and with it the speech; nothing if none is open.

        Args:
            now: samples received, also those that fill no window yet.
        """
        start = self._start
        if start is None:
            return []
        end = self._end_of_audio(now)
        return [*self._hush(now), self._close(start, end, CloseCause.FINALIZE)]

    def clear(self, now: int) -> list[EndpointEvent]:
        """Forget the running utterance, and all audio so far (``now`` samples) for those to come."""
        events = self._hush(now)
        self._voice = _Voice.SILENT
        self._start = None
        self._likely_end_is_told = False
        self._floor = now
        return events

    def _follow_voice(self, window: Window) -> Iterator[EndpointEvent]:
        is_on = window.probability >= self._settings.enter_probability
        is_off = window.probability < self._settings.exit_probability
        if self._voice is _Voice.SILENT and is_on:
            self._voice, self._onset = _Voice.RISING, max(window.start, self._floor)
        elif self._voice is _Voice.RISING and is_off:
            self._voice = _Voice.SILENT
        elif self._voice is _Voice.SPEAKING and is_off:
            self._voice, self._stop = _Voice.FALLING, window.start
        elif self._voice is _Voice.FALLING and is_on:
            self._voice = _Voice.SPEAKING
            yield from self._go_on(window.start)
        if self._voice is _Voice.RISING and self._now - self._onset >= self._min_speech:
            self._voice = _Voice.SPEAKING
            yield SpeechOnset(self._onset)
            yield from self._go_on(self._onset)
        elif self._voice is _Voice.FALLING:
            yield from self._follow_silence()

    def _go_on(self, onset: int) -> Iterator[EndpointEvent]:
        """Speech, in the running utterance or in a new one."""
        if self._start is None:
            yield self._open(max(onset - self._preroll, self._floor))
        elif self._likely_end_is_told:
            self._likely_end_is_told = False
            yield EndRevoked()

    def _follow_silence(self) -> Iterator[EndpointEvent]:
        silence = self._now - self._stop
        has_ended = silence >= self._end_silence
        closes = has_ended and self._settings.silence_ends_utterances
        if self._start is not None and silence >= self._tail and not closes and not self._likely_end_is_told:
            self._likely_end_is_told = True
            yield LikelyEnd(self._start, self._end_of_audio(self._now))
        if has_ended:
            self._voice = _Voice.SILENT
            yield SpeechOffset(self._stop)
        if self._start is not None and closes:
            yield self._close(self._start, self._end_of_audio(self._now), CloseCause.SILENCE)

    def _limit_length(self) -> Iterator[EndpointEvent]:
        """Cut an utterance that could not take another window."""
        if self._start is None or self._now + WINDOW_SAMPLES - self._start <= self._longest:
            return
        if self._voice is _Voice.SPEAKING:
            earliest = self._start + int(self._longest * self._settings.earliest_cut)
            at = best_cut(
                [window for window in self._recent if window.start >= earliest], self._settings.exit_probability
            )
            yield self._close(self._start, at, CloseCause.LONGEST)
            yield self._open(at)
        else:
            yield self._close(self._start, self._end_of_audio(self._now), CloseCause.LONGEST)

    def _end_of_audio(self, now: int) -> int:
        """Where the running utterance ends if it is closed: some silence stays behind its speech, no more."""
        if self._voice is _Voice.SPEAKING:
            return now
        return min(max(self._stop + self._tail, self._floor), now)

    def _open(self, start: int) -> UtteranceOpened:
        self._start = start
        return UtteranceOpened(start)

    def _close(self, start: int, end: int, cause: CloseCause) -> UtteranceClosed:
        self._start = None
        self._floor = end
        self._likely_end_is_told = False
        return UtteranceClosed(start, end, cause)

    def _hush(self, now: int) -> list[EndpointEvent]:
        """End the speech, if there is some, without waiting for silence."""
        if self._voice not in (_Voice.SPEAKING, _Voice.FALLING):
            return []
        at = now if self._voice is _Voice.SPEAKING else self._stop
        self._voice = _Voice.SILENT
        return [SpeechOffset(at)]


def _whole_windows(duration_s: float) -> int:
    """Samples of the fewest windows that last so long."""
    return math.ceil(duration_s * SAMPLE_RATE_HZ / WINDOW_SAMPLES) * WINDOW_SAMPLES
