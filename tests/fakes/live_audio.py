"""Audio that is either on or off, a detector that knows which, and a recogniser that hears the seconds go by."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deployments.contracts import SAMPLE_RATE_HZ, Samples, TranscriptionWarning, Word
from serve_app.live.hearing import Excerpt, Heard
from serve_app.live.voice_activity import WINDOW_SAMPLES, VoiceActivity

_LEVEL = 0.25


def speech(duration_s: float) -> bytes:
    """16-bit PCM at 16 kHz in which somebody speaks."""
    return _pcm(duration_s, _LEVEL)


def silence(duration_s: float) -> bytes:
    """The same in which nobody does."""
    return _pcm(duration_s, 0.0)


def messages(data: bytes, duration_s: float = 0.1) -> list[bytes]:
    """Cut into messages of equal length."""
    step = round(duration_s * SAMPLE_RATE_HZ) * 2
    return [data[start : start + step] for start in range(0, len(data), step)]


def _pcm(duration_s: float, level: float) -> bytes:
    wave = level * np.sin(np.arange(round(duration_s * SAMPLE_RATE_HZ)) * 0.3)
    return bytes((wave * 32767).astype("<i2").data)


class LevelVad:
    """A window is speech if it is loud."""

    def __init__(self) -> None:
        self._waiting: Samples = np.empty(0, np.float32)

    def advance(self, samples: Samples) -> VoiceActivity:
        joined = np.concatenate((self._waiting, samples))
        whole = len(joined) // WINDOW_SAMPLES * WINDOW_SAMPLES
        self._waiting = joined[whole:]
        power = np.mean(joined[:whole].reshape(-1, WINDOW_SAMPLES) ** 2, axis=1)
        probabilities = np.where(power > _LEVEL**2 / 8, np.float32(0.98), np.float32(0.02))
        return VoiceActivity(probabilities, (10 * np.log10(power + 1e-12)).astype(np.float32))

    def flush(self) -> VoiceActivity:
        return self.advance(np.zeros(-len(self._waiting) % WINDOW_SAMPLES, np.float32))


@dataclass
class ScriptedHearing:
    """Hears "word7" where the stream is loud in its eighth half second, for each of them, after a while.

    Attributes:
        partial_s: how long a partial text takes.
        final_s: how long a final takes.
        errors: raised by the next calls in place of an answer; None: an answer.
        warnings: come with each final.
        partials, finals: end of each excerpt that was asked for, in seconds of the stream.
        cancelled: how many calls were cancelled.
        running: how many are at work.
    """

    partial_s: float = 0.05
    final_s: float = 0.05
    errors: list[Exception | None] = field(default_factory=list)
    language: str = "en"
    warnings: tuple[TranscriptionWarning, ...] = ()
    partials: list[float] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)
    cancelled: int = 0
    running: int = 0

    async def __call__(self, excerpt: Excerpt, *, is_partial: bool) -> Heard:
        end_s = excerpt.start_s + len(excerpt.samples) / SAMPLE_RATE_HZ
        (self.partials if is_partial else self.finals).append(end_s)
        self.running += 1
        try:
            await asyncio.sleep(self.partial_s if is_partial else self.final_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return Heard(_words(excerpt), self.language, warnings=() if is_partial else self.warnings)


def _words(excerpt: Excerpt) -> tuple[Word, ...]:
    first = round(excerpt.start_s * SAMPLE_RATE_HZ)
    loud = np.flatnonzero(np.abs(excerpt.samples) > _LEVEL / 2) + first
    step = SAMPLE_RATE_HZ // 2
    words = []
    for number in _numbers(loud, step):
        inside = loud[(loud >= number * step) & (loud < (number + 1) * step)]
        words.append(Word(f"word{number}", float(inside[0]) / SAMPLE_RATE_HZ, float(inside[-1]) / SAMPLE_RATE_HZ, 0.9))
    return tuple(words)


def _numbers(loud: npt.NDArray[np.intp], step: int) -> Sequence[int]:
    return [int(number) for number in np.unique(loud // step)] if len(loud) else []


def half_seconds(start_s: float, end_s: float) -> list[str]:
    """What is said in audio that is loud from start_s to end_s."""
    return [f"word{number}" for number in range(math.floor(start_s * 2), math.ceil(end_s * 2))]
