"""Windows for models that know no language: noise, of the lengths asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ
from deployments.recognition.engine import Hypothesis, SpeechWindow


def noise_windows(seconds: Sequence[float], language: str = "en", seed: int = 0) -> list[SpeechWindow]:
    """White noise at about -20 dB; a window is its own, whatever its neighbours."""
    return [
        SpeechWindow(
            (0.1 * np.random.default_rng([seed, at]).standard_normal(int(length * SAMPLE_RATE_HZ))).astype(np.float32),
            language,
        )
        for at, length in enumerate(seconds)
    ]


def texts(hypotheses: Sequence[Hypothesis]) -> list[str]:
    """What was heard in each window."""
    return [" ".join(word.text for word in hypothesis.words) for hypothesis in hypotheses]


def largest_difference(first: Sequence[Hypothesis], second: Sequence[Hypothesis]) -> float:
    """Between the probabilities of two results of the same windows."""
    return max(
        abs(one.mean_log_probability - other.mean_log_probability) for one, other in zip(first, second, strict=True)
    )
