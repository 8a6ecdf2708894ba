"""What a recognition engine promises, whichever model it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from deployments.contracts import Samples, Word


@dataclass(frozen=True, slots=True)
class RecognitionCapabilities:
    """What an engine can do, as data: callers branch on these, never on the engine's name.

    Attributes:
        languages: ISO 639-1 codes it transcribes.
        longest_window_s: the longest stretch of audio it takes at once.
        best_window_s: the length up to which longer windows make fewer errors.
        word_times: words carry times.
        confidences: words carry probabilities.
    """

    languages: frozenset[str]
    longest_window_s: float
    best_window_s: float
    word_times: bool
    confidences: bool


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What was said in one window.

    Attributes:
        words: times count from the start of the window.
        mean_log_probability: over all tokens, the end included; how sure the engine was of the whole.
        dropped_repeats: the model fell into a loop that no retry ended, and the loop was cut off.
    """

    words: tuple[Word, ...]
    mean_log_probability: float
    dropped_repeats: bool = False


class RecognitionEngine(Protocol):
    """A recogniser. Called from several threads at once."""

    capabilities: RecognitionCapabilities

    def transcribe(self, windows: Sequence[Samples]) -> list[Hypothesis]:
        """One hypothesis for each window, in order; the windows form one batch."""
        ...
