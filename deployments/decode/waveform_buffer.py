"""Where the decoded waveform grows, under a hard limit and without ever being held twice."""

from __future__ import annotations

import math

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from deployments.errors import AudioTooLong

_FIRST_S = 60.0
_GROWTH = 1.25


class WaveformBuffer:
    """Mono samples at SAMPLE_RATE_HZ, appended piece by piece.

    Memory that was reserved and never written is never resident, so a header that promises two hours costs
    address space only. Growth and the last cut are a realloc, which moves pages instead of copying them: the
    peak is a quarter above the waveform where the length was not known, and the waveform itself where it was.
    """

    def __init__(self, max_duration_s: float, expected_s: float | None) -> None:
        self._max_duration_s = max_duration_s
        self._max_samples = math.ceil(max_duration_s * SAMPLE_RATE_HZ)
        # One second more than stated: encoder padding must not cause a growth.
        first_s = _FIRST_S if expected_s is None else expected_s + 1.0
        self._samples: Samples = np.empty(min(math.ceil(first_s * SAMPLE_RATE_HZ), self._max_samples), np.float32)
        self._length = 0

    @property
    def duration_s(self) -> float:
        """Seconds appended so far."""
        return self._length / SAMPLE_RATE_HZ

    def append(self, samples: Samples) -> None:
        """Add samples to the end.

        Raises:
            AudioTooLong: the waveform would pass the limit; nothing was added.
        """
        end = self._length + len(samples)
        if end > self._max_samples:
            raise AudioTooLong(self._max_duration_s)
        if end > len(self._samples):
            grown = min(max(end, int(len(self._samples) * _GROWTH)), self._max_samples)
            self._samples.resize(grown, refcheck=False)
        self._samples[self._length : end] = samples
        self._length = end

    def finish(self) -> Samples:
        """Give the waveform away, cut to its length; the buffer is empty afterwards."""
        samples, self._samples = self._samples, np.empty(0, np.float32)
        samples.resize(self._length, refcheck=False)
        self._length = 0
        return samples
