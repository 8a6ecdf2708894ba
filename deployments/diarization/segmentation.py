"""Who speaks within each ten-second window, as up to three speakers that only the window knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deployments import contracts, errors
from deployments.diarization.community1 import open_session
from deployments.stopping import StopSignal

WINDOW_SAMPLES = 160_000
FRAME_STEP_SAMPLES = 270
FRAME_CENTRE_SAMPLES = 991 / 2
"""Half of a frame's receptive field: the time a frame speaks for lies this far after its first sample."""
FRAMES_PER_WINDOW = 589
LOCAL_SPEAKERS = 3
BATCH_WINDOWS = 4
"""A window costs 23-29 ms of one thread at any batch from 1 to 16: a batch only saves calls."""


@dataclass(frozen=True, slots=True, eq=False)
class LocalActivity:
    """What the segmentation says of each window.

    ``first_frames`` [windows]: where each window begins, counted in frames of the recording.
    ``active`` [windows, 589, 3]: whether a local speaker speaks in a frame. A local speaker of one window is
    nobody in particular in the next.
    """

    first_frames: npt.NDArray[np.int64]
    active: npt.NDArray[np.bool_]

    @property
    def frame_count(self) -> int:
        """Frames of the recording, to the end of the last window."""
        return int(self.first_frames[-1]) + FRAMES_PER_WINDOW

    @property
    def alone(self) -> npt.NDArray[np.bool_]:
        """[windows, 589, 3]: whether a local speaker speaks and nobody else does."""
        alone: npt.NDArray[np.bool_] = self.active & (self.active.sum(axis=2, keepdims=True) == 1)
        return alone


class Segmenter:
    """pyannote's PyanNet over sliding windows (Bredin and Laurent 2021; powerset: Plaquet and Bredin 2023)."""

    def __init__(self, model: bytes, step_frames: int, threads: int) -> None:
        self._session = open_session(model, threads)
        self._step_frames = step_frames

    def segment(self, samples: contracts.Samples, should_stop: StopSignal) -> LocalActivity:
        """Run over a recording of at least one sample.

        Raises:
            errors.Cancelled: should_stop turned true.
        """
        first_frames = window_first_frames(len(samples), self._step_frames)
        active = np.empty((len(first_frames), FRAMES_PER_WINDOW, LOCAL_SPEAKERS), dtype=np.bool_)
        for start in range(0, len(first_frames), BATCH_WINDOWS):
            if should_stop():
                raise errors.Cancelled("diarization was stopped")
            batch = first_frames[start : start + BATCH_WINDOWS]
            windows = np.zeros((len(batch), 1, WINDOW_SAMPLES), dtype=np.float32)
            for row, first_frame in enumerate(batch):
                begin = int(first_frame) * FRAME_STEP_SAMPLES
                piece = samples[begin : begin + WINDOW_SAMPLES]
                windows[row, 0, : len(piece)] = piece
            (activity,) = self._session.run(None, {"waveforms": windows})
            active[start : start + len(batch)] = activity > 0.5
        return LocalActivity(first_frames, active)


def window_first_frames(sample_count: int, step_frames: int) -> npt.NDArray[np.int64]:
    """Where windows begin, in frames: every step, and one that ends with the recording.

    The last one ends where the recording does (within a frame) instead of being filled up with zeros.
    A recording shorter than a window gets one, filled up.
    """
    last = max(0, -(-(sample_count - WINDOW_SAMPLES) // FRAME_STEP_SAMPLES))
    return np.append(np.arange(0, last, step_frames, dtype=np.int64), np.int64(last))
