"""What a recognition engine promises, whichever model it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from deployments.contracts import SAMPLE_RATE_HZ, Samples, Word


@dataclass(frozen=True, slots=True)
class RecognitionCapabilities:
    """What an engine can do, as data: callers branch on these, never on the engine's name.

    Attributes:
        languages: ISO 639-1 codes it transcribes.
        longest_window_s: the longest stretch of audio it takes at once.
        best_window_s: the length up to which longer windows make fewer errors.
        word_times: words carry times.
        confidences: words carry probabilities.
        biasing: SpeechWindow.hints make the words in them likelier.
    """

    languages: frozenset[str]
    longest_window_s: float
    best_window_s: float
    word_times: bool
    confidences: bool
    biasing: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class SpeechWindow:
    """What is recognised at once: speech in one language.

    Attributes:
        samples: at most the engine's longest_window_s.
        language: ISO 639-1, one of the engine's.
        hints: names and terms that may occur, the most important first; empty for an engine without biasing.
        is_draft: the text will be replaced by a better one within a second or so: speed before accuracy.
    """

    samples: Samples
    language: str
    hints: tuple[str, ...] = ()
    is_draft: bool = False

    @property
    def duration_s(self) -> float:
        """Length of the audio."""
        return len(self.samples) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What was said in one window.

    Attributes:
        words: times count from the start of the window.
        mean_log_probability: over all tokens, the end included; how sure the engine was of the whole.
        dropped_repeats: the model fell into a loop that no retry ended, and the repetitions were left out.
    """

    words: tuple[Word, ...]
    mean_log_probability: float
    dropped_repeats: bool = False


class RecognitionEngine(Protocol):
    """A recogniser. Called from several threads at once."""

    capabilities: RecognitionCapabilities

    def transcribe(self, windows: Sequence[SpeechWindow]) -> list[Hypothesis]:
        """One hypothesis for each window, in order; the windows form one batch."""
        ...
