"""Who speaks within each ten-second window, as up to three speakers that only the window knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WINDOW_SAMPLES = 160_000
FRAME_STEP_SAMPLES = 270
FRAME_CENTRE_SAMPLES = 991 / 2
"""Half of a frame's receptive field: the time a frame speaks for lies this far after its first sample."""
FRAMES_PER_WINDOW = 589
LOCAL_SPEAKERS = 3


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


def window_first_frames(sample_count: int, step_frames: int) -> npt.NDArray[np.int64]:
    """Where windows begin, in frames: every step, and one that ends with the recording.

    The last one ends where the recording does (within a frame) instead of being filled up with zeros.
    A recording shorter than a window gets one, filled up.
    """
    last = max(0, -(-(sample_count - WINDOW_SAMPLES) // FRAME_STEP_SAMPLES))
    return np.append(np.arange(0, last, step_frames, dtype=np.int64), np.int64(last))
