"""A voice activity detector that answers from a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples, TimeSpan
from deployments.speech_gate.silero import FRAME_S, FRAME_SAMPLES, Probabilities
from deployments.stopping import never


class FakeVoiceActivityDetector:
    """Is certain of speech inside its spans and of silence outside, frame by frame."""

    def __init__(self, speech: Sequence[TimeSpan]) -> None:
        self._speech = speech

    def speech_probabilities(self, samples: Samples, should_stop: Callable[[], bool] = never) -> Probabilities:
        middles_s = (np.arange(-(-len(samples) // FRAME_SAMPLES)) + 0.5) * FRAME_S
        inside = np.zeros(len(middles_s), np.bool_)
        for span in self._speech:
            inside |= (span.start_s <= middles_s) & (middles_s < min(span.end_s, len(samples) / SAMPLE_RATE_HZ))
        return np.where(inside, np.float32(0.98), np.float32(0.02))
