"""The audio of the running utterance, addressed by its place in the stream."""

from __future__ import annotations

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from deployments.speech_gate.silero import Probabilities
from deployments.speech_gate.snr import estimate_snr_db
from serve_app.live.voice_activity import WINDOW_SAMPLES


class UtteranceBuffer:
    """Keeps the newest audio of a stream, and how probable speech is in it. Positions count from the first sample.

    Args:
        kept_s: the audio that can be asked for at any time: the longest utterance, what comes in front of it, and what
            may arrive while it is recognised. Older audio goes; memory is bounded by twice this.
    """

    def __init__(self, kept_s: float) -> None:
        windows = -(-int(kept_s * SAMPLE_RATE_HZ) // WINDOW_SAMPLES)
        self._kept_samples = windows * WINDOW_SAMPLES
        self._samples: Samples = np.empty(2 * self._kept_samples, np.float32)
        self._first = 0
        self._end = 0
        self._probabilities: Probabilities = np.empty(0, np.float32)
        self._first_window = 0

    @property
    def end(self) -> int:
        """Samples taken so far: the position behind the newest."""
        return self._end

    @property
    def oldest(self) -> int:
        """Position of the oldest sample that is kept."""
        return max(self._first, self._end - self._kept_samples)

    def append(self, samples: Samples) -> None:
        """Take the next samples of the stream."""
        samples, skipped = samples[-self._kept_samples :], max(len(samples) - self._kept_samples, 0)
        if self._end + skipped + len(samples) - self._first > len(self._samples):
            self._compact(skipped + len(samples))
        at = self._end + skipped - self._first
        self._samples[at : at + len(samples)] = samples
        self._end += skipped + len(samples)

    def append_probabilities(self, probabilities: Probabilities) -> None:
        """Take the next windows of the stream; needed for snr_db only."""
        joined = np.concatenate((self._probabilities, probabilities))
        self._probabilities = joined[-(self._kept_samples // WINDOW_SAMPLES) :]
        self._first_window += len(joined) - len(self._probabilities)

    def between(self, start: int, end: int) -> Samples:
        """A copy of the samples start..end-1.

        Raises:
            ValueError: they are not all there: not yet, or no more.
        """
        if not self.oldest <= start <= end <= self._end:
            raise ValueError(f"samples {start} to {end} are not among {self.oldest} to {self._end}")
        return self._samples[start - self._first : end - self._first].copy()

    def probabilities(self, start: int, end: int) -> Probabilities:
        """Of the windows that lie in the samples start..end-1 by more than half, as far as there are any."""
        half = WINDOW_SAMPLES // 2
        first, last = ((at + half - 1) // WINDOW_SAMPLES - self._first_window for at in (start, end))
        return self._probabilities[max(first, 0) : max(last, 0)].copy()

    def snr_db(self, end: int) -> float | None:
        """How far speech stands above the noise in all that is kept up to a position; None without speech.

        More than the utterance itself is measured, because the noise is in the pauses.
        """
        first = max(self._first_window, -(-self.oldest // WINDOW_SAMPLES))
        last = min(end // WINDOW_SAMPLES, self._first_window + len(self._probabilities))
        if last <= first:
            return None
        samples = self.between(first * WINDOW_SAMPLES, last * WINDOW_SAMPLES)
        return estimate_snr_db(samples, self._probabilities[first - self._first_window : last - self._first_window])

    def _compact(self, coming: int) -> None:
        """Move what is kept to the front: half of the memory is free then, so that it happens seldom."""
        oldest = max(self._end + coming - self._kept_samples, self._first)
        kept = self._samples[oldest - self._first : self._end - self._first]
        self._samples[: len(kept)] = kept
        self._first = oldest
