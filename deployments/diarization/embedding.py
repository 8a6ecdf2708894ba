"""Voice embeddings of the local speakers of each window, from a trunk that sees the recording once.

The usual pipeline runs the whole embedding network once for each (window, speaker). Everything before its
pooling does not depend on the speaker, so here it runs once over the recording, in pieces that do not overlap
but see some context on each side, and only the pooling is done for each (window, speaker). The network subtracts
each band's mean over what it is given, so the voices differ a little from those of the whole model: cosine
0.976 on average, DER 19.0 instead of 18.3 % on 19 recordings (windows 2 s apart). Pieces of 5 to 40 s, 2 s of
context or means over other stretches changed neither by more than the choice of clips does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deployments.diarization.segmentation import (
    FRAME_CENTRE_SAMPLES,
    FRAME_STEP_SAMPLES,
    WINDOW_SAMPLES,
    LocalActivity,
)

Floats = npt.NDArray[np.float32]

EMBEDDING_SIZE = 256
TRUNK_CHANNELS = 2560
FBANK_LENGTH_SAMPLES = 400
FBANK_STEP_SAMPLES = 160
FBANK_FRAMES_PER_TRUNK_FRAME = 8
TRUNK_STEP_SAMPLES = FBANK_STEP_SAMPLES * FBANK_FRAMES_PER_TRUNK_FRAME
TRUNK_CENTRE_SAMPLES = FBANK_LENGTH_SAMPLES / 2
VARIANCE_FLOOR = 1e-8


@dataclass(frozen=True, slots=True)
class TrunkPiece:
    """Trunk frames [start, stop) are kept of what the trunk makes of [first, last)."""

    first: int
    start: int
    stop: int
    last: int

    @property
    def samples(self) -> slice:
        """Of the recording, for the filterbank frames of [first, last)."""
        overhang = FBANK_LENGTH_SAMPLES - FBANK_STEP_SAMPLES
        return slice(self.first * TRUNK_STEP_SAMPLES, self.last * TRUNK_STEP_SAMPLES + overhang)


@dataclass(frozen=True, slots=True)
class TrunkPieces:
    """How the recording is cut for the trunk, in trunk frames of 80 ms."""

    core_frames: int = 125
    context_frames: int = 13

    def cut(self, trunk_frame_count: int) -> Iterator[TrunkPiece]:
        """Pieces in order; what they keep covers the recording once."""
        for start in range(0, trunk_frame_count, self.core_frames):
            stop = min(start + self.core_frames, trunk_frame_count)
            first, last = max(0, start - self.context_frames), min(trunk_frame_count, stop + self.context_frames)
            yield TrunkPiece(first, start, stop, last)


@dataclass(frozen=True, slots=True, eq=False)
class WindowWeights:
    """How much each trunk frame of a window counts for each local speaker.

    ``start``: the first trunk frame of the window; ``weights`` [speakers, frames] from 0 to 1.
    """

    start: int
    weights: Floats

    @property
    def stop(self) -> int:
        """After the last trunk frame of the window."""
        return self.start + int(self.weights.shape[1])


def voice_weights(activity: LocalActivity, trunk_frame_count: int) -> list[WindowWeights]:
    """Where each local speaker of each window is heard: where it speaks alone or, if it never does, wherever it speaks.

    A local speaker that never speaks alone is embedded from its overlaps: better than nothing.
    """
    alone = activity.alone
    masks = np.where(alone.any(axis=1, keepdims=True), alone, activity.active)
    return [
        WindowWeights(*trunk_weights(mask, int(first_frame) * FRAME_STEP_SAMPLES, trunk_frame_count))
        for mask, first_frame in zip(masks, activity.first_frames, strict=True)
    ]


def heard_frames(windows: list[WindowWeights], trunk_frame_count: int) -> npt.NDArray[np.bool_]:
    """Trunk frames [frames] that count for anybody: the others need not be computed."""
    heard = np.zeros(trunk_frame_count, dtype=np.bool_)
    for window in windows:
        heard[window.start : window.stop] |= window.weights.any(axis=0)
    return heard


def count_trunk_frames(sample_count: int) -> int:
    """Trunk frames of a recording; 0 where it is shorter than one frame of the filterbank."""
    if sample_count < FBANK_LENGTH_SAMPLES:
        return 0
    fbank_frames = (sample_count - FBANK_LENGTH_SAMPLES) // FBANK_STEP_SAMPLES + 1
    return -(-fbank_frames // FBANK_FRAMES_PER_TRUNK_FRAME)


def trunk_weights(mask: npt.NDArray[np.bool_], window_start_samples: int, trunk_frame_count: int) -> tuple[int, Floats]:
    """Turn a window's mask over segmentation frames [589, speakers] into weights of trunk frames.

    Returns:
        The first trunk frame of the window, and weights [speakers, frames]: the share of the segmentation
        frames around each trunk frame in which the speaker is on.
    """
    start = min(-(-window_start_samples // TRUNK_STEP_SAMPLES), trunk_frame_count)
    stop = min((window_start_samples + WINDOW_SAMPLES) // TRUNK_STEP_SAMPLES, trunk_frame_count)
    borders = (np.arange(start, stop + 1) - 0.5) * TRUNK_STEP_SAMPLES + TRUNK_CENTRE_SAMPLES
    frames = np.ceil((borders - window_start_samples - FRAME_CENTRE_SAMPLES) / FRAME_STEP_SAMPLES)
    edges = np.clip(frames.astype(np.int64), 0, len(mask))
    totals = np.concatenate((np.zeros((1, mask.shape[1])), np.cumsum(mask, axis=0)))
    widths = np.maximum(1, np.diff(edges))
    weights = np.diff(totals[edges], axis=0) / widths[:, np.newaxis]
    return start, weights.T.astype(np.float32)
