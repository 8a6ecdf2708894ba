"""How probable speech is, window by window, while the audio comes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deployments.contracts import Samples
from deployments.speech_gate.silero import (
    CONTEXT_SAMPLES,
    FRAME_SAMPLES,
    MEMORY_FRAMES,
    Probabilities,
    RecurrentState,
    SileroVad,
    frame_power,
    gains_for,
    loudest_lately,
    without_clicks,
)

WINDOW_SAMPLES = FRAME_SAMPLES
"""Samples of one window, 32 ms; window i of a stream covers i * WINDOW_SAMPLES to (i + 1) * WINDOW_SAMPLES."""

_QUIETEST_POWER = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class VoiceActivity:
    """What consecutive windows of a stream hold.

    Attributes:
        probabilities: of speech, shape [windows], within 0..1.
        levels_dbfs: level of each window without its constant offset, shape [windows], -120 at least.
    """

    probabilities: Probabilities
    levels_dbfs: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.probabilities)


class StreamingVad:
    """Silero VAD over one stream: the network's memory goes from call to call, so that any cutting gives the same.

    Args:
        vad: the network; one for all streams of a process. It holds nothing of a stream, and serves many threads.

    Quiet audio is brought up by what the loudest window of the last seconds needs; SileroVad looks ahead, too. Where
    that before each window is about as loud as that after it, both give the same.
    """

    def __init__(self, vad: SileroVad) -> None:
        self._vad = vad
        self._state = RecurrentState()
        self._context: Samples = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._waiting: Samples = np.empty(0, np.float32)
        self._recent_power = np.zeros(MEMORY_FRAMES + 2)

    def advance(self, samples: Samples) -> VoiceActivity:
        """Take the next samples, shape [n], any n; gives the windows that are full now, maybe none."""
        joined = np.concatenate((self._waiting, samples))
        whole = len(joined) // WINDOW_SAMPLES * WINDOW_SAMPLES
        self._waiting = joined[whole:].copy()
        return self._windows(joined[:whole])

    def flush(self) -> VoiceActivity:
        """The end of the stream: the last window, filled up with zeros, or none if nothing waits."""
        rest = self._waiting
        self._waiting = np.empty(0, np.float32)
        return self._windows(np.pad(rest, (0, -len(rest) % WINDOW_SAMPLES)))

    def _windows(self, samples: Samples) -> VoiceActivity:
        if not len(samples):
            return VoiceActivity(np.empty(0, np.float32), np.empty(0, np.float32))
        power = frame_power(samples)
        behind_context = np.concatenate((self._context, samples))
        self._context = behind_context[-CONTEXT_SAMPLES:].copy()
        frames = np.lib.stride_tricks.sliding_window_view(behind_context, CONTEXT_SAMPLES + WINDOW_SAMPLES)
        frames = frames[::WINDOW_SAMPLES] * self._gains(power)
        probabilities, self._state = self._vad.advance(frames, self._state)
        levels_dbfs = 10 * np.log10(np.maximum(power, _QUIETEST_POWER))
        return VoiceActivity(probabilities, levels_dbfs.astype(np.float32))

    def _gains(self, power: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """What each window is multiplied by, shape [windows, 1]."""
        known = np.concatenate((self._recent_power, power))
        self._recent_power = known[-len(self._recent_power) :].copy()
        # The median lags a window behind.
        return gains_for(np.maximum(loudest_lately(without_clicks(known)), power))
