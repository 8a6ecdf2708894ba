"""Log-mel features of Whisper, computed where the model is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import WhisperFeatureExtractor

from deployments.contracts import Samples
from deployments.padding import padded
from deployments.torch_runtime import Placement

_POWER_FLOOR = 1e-10
_RANGE = 8.0
"""What is more than this below a window's loudest, in powers of ten, is as silent as that."""


class LogMel:
    """The same as WhisperFeatureExtractor's (a test compares them), which gives what it computes back to the host: of
    64 windows 98 MB, one way and the other.

    Args:
        extractor: of the checkpoint; checkpoints differ in their number of mel bands.
        placement: of the model.
    """

    def __init__(self, extractor: WhisperFeatureExtractor, placement: Placement) -> None:
        self._placement = placement
        self._hop: int = extractor.hop_length
        self.most_samples: int = extractor.n_samples
        """Of a window; shorter ones are followed by silence."""
        self._taper = torch.hann_window(extractor.n_fft, device=placement.device)
        self._filters = torch.from_numpy(extractor.mel_filters.T).to(placement.device, torch.float32)

    def __call__(self, windows: Sequence[Samples]) -> Tensor:
        """[windows, mel bands, hops], in the model's precision."""
        samples = padded(windows, self._placement.device, self.most_samples)
        spectrum = torch.stft(samples, len(self._taper), self._hop, window=self._taper, return_complex=True)
        power = torch.view_as_real(spectrum[..., :-1]).square().sum(-1)
        levels = (self._filters @ power).clamp_min(_POWER_FLOOR).log10()
        loudest = levels.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(levels, loudest - _RANGE) / 4 + 1).to(self._placement.dtype)
