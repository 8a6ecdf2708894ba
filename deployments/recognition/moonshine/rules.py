"""What holds for Moonshine whatever runs it: its shortest window, its longest output, and its loops."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from deployments.recognition.degenerate import is_loop, without_invented
from deployments.recognition.engine import Hypothesis

LOOP_NGRAM = 5
"""A window whose text loops is decoded again with no run of this many tokens said twice."""

MOST_TOKENS_PER_S = 10.0
"""For English. The model's own rule of thumb is 6.5 tokens a second, and a cut there lost last words."""

# Of a text that repeats itself. Phrases that were said several times had -0.37 or more, even in noise as loud as they,
# misheard digits -0.47; what the English model repeats of other languages has -0.5 or less.
_LEAST_MEAN_LOG_PROBABILITY = -0.5
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


@dataclass(frozen=True, slots=True)
class Attempt:
    """A text for one window, and whether the model ended it; otherwise the limit did."""

    hypothesis: Hypothesis
    ended: bool

    @property
    def is_loop(self) -> bool:
        """The model repeats itself, not somebody."""
        return is_loop(self.hypothesis.words, ended=self.ended, is_doubted=self._is_doubted)

    @property
    def believed(self) -> Hypothesis:
        """Without the repetitions that nobody said."""
        words = without_invented(self.hypothesis.words, ended=self.ended, is_doubted=self._is_doubted)
        return replace(self.hypothesis, words=words, dropped_repeats=self.is_loop)

    @property
    def _is_doubted(self) -> bool:
        return self.hypothesis.mean_log_probability < _LEAST_MEAN_LOG_PROBABILITY


def retry_loops(attempts: Sequence[Attempt], again: Callable[[Sequence[int]], Sequence[Attempt]]) -> list[Hypothesis]:
    """What to believe of a batch; ``again`` decodes the windows with these indices with LOOP_NGRAM."""
    best = dict(enumerate(attempts))
    loops = [index for index, attempt in best.items() if attempt.is_loop]
    if loops:
        best.update(zip(loops, again(loops), strict=True))
    return [best[index].believed for index in range(len(attempts))]
