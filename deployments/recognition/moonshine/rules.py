"""What holds for Moonshine whatever runs it: its shortest window, its longest output, and its loops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples, Word
from deployments.recognition.degenerate import repeated_from
from deployments.recognition.engine import Hypothesis

LOOP_NGRAM = 5
"""A window whose text loops is decoded again with no run of this many tokens said twice."""

MOST_TOKENS_PER_S = 10.0
"""For English. The model's own rule of thumb is 6.5 tokens a second, and a cut there lost last words."""

# The convolutions need 895 samples for a first frame; below a tenth of a second there is no word anyway.
_SHORTEST_SAMPLES = SAMPLE_RATE_HZ // 10
_SPARE_TOKENS = 8


def with_a_frame(window: Samples) -> Samples:
    """The window, with silence after it where it is too short for the encoder."""
    if len(window) >= _SHORTEST_SAMPLES:
        return window
    return np.pad(window, (0, _SHORTEST_SAMPLES - len(window)))


def most_tokens(window: Samples, tokens_per_s: float = MOST_TOKENS_PER_S) -> int:
    """Tokens after which the output is a loop rather than speech."""
    return math.ceil(len(window) / SAMPLE_RATE_HZ * tokens_per_s) + _SPARE_TOKENS


def has_loop(hypothesis: Hypothesis) -> bool:
    """Whether the text repeats itself as people do not."""
    return repeated_from(_texts(hypothesis.words)) is not None


def without_loop(hypothesis: Hypothesis) -> Hypothesis:
    """The words up to the first repetition."""
    start = repeated_from(_texts(hypothesis.words))
    if start is None:
        return hypothesis
    return replace(hypothesis, words=hypothesis.words[:start], dropped_repeats=True)


def _texts(words: Sequence[Word]) -> list[str]:
    return [word.text for word in words]
