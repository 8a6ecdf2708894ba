"""Takes a constant offset (DC) out of each channel, and leaves speech as it is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_HOP_S = 0.25

_SMALLEST_OFFSET = 0.0005
"""-66 dB of full scale. With less a recording stays bit for bit as it is."""


class OffsetRemover:
    """Subtracts from each channel what it is around at the time; what it keeps is the offset of the last hop.

    Each hop of 0.25 s is weighed by a Hann window, whose mean holds next to nothing of a tone above 20 Hz (-67 dB); the
    offset glides from the last hop's mean to this one's, and a recording begins with its own. A recursive high-pass
    that leaves 80 Hz as much alone needs seconds to settle, and ten times the work (scipy.signal.lfilter: 5.3 ns a
    sample).

    Args:
        channels: of each block.
        rate_hz: of the samples.
    """

    def __init__(self, channels: int, rate_hz: int) -> None:
        self.hop_samples = round(_HOP_S * rate_hz)
        self._window = _hann(self.hop_samples)
        self._glide = np.linspace(0.0, 1.0, self.hop_samples, dtype=np.float32)
        self._offsets: npt.NDArray[np.float32] | None = None
        self._channels = channels

    def remove(self, block: npt.NDArray[np.float32]) -> None:
        """Take the offset out of the next samples, [channels, samples], in place.

        They must be whole hops, but for the last of the recording.
        """
        whole = block.shape[1] - block.shape[1] % self.hop_samples
        if whole:
            self._remove_from_hops(block[:, :whole].reshape(self._channels, -1, self.hop_samples))
        rest = block[:, whole:]
        if rest.size:
            offsets = _offsets(rest, _hann(rest.shape[1])) if self._offsets is None else self._offsets
            rest -= offsets[:, None]

    def _remove_from_hops(self, hops: npt.NDArray[np.float32]) -> None:
        offsets = _offsets(hops, self._window)
        first = offsets[:, 0] if self._offsets is None else self._offsets
        before = np.concatenate([first[:, None], offsets[:, :-1]], axis=1)
        if before.any() or offsets.any():
            hops -= before[..., None] + (offsets - before)[..., None] * self._glide
        self._offsets = offsets[:, -1]


def _offsets(samples: npt.NDArray[np.float32], window: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Weigh the last axis."""
    offsets = np.asarray(samples @ window)
    offsets[np.abs(offsets) < _SMALLEST_OFFSET] = 0.0
    return offsets


def _hann(samples: int) -> npt.NDArray[np.float32]:
    """A window that sums to 1 and is nowhere 0."""
    window = np.hanning(samples + 2)[1:-1]
    return np.asarray(window / window.sum(), np.float32)
