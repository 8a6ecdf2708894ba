"""Windows of different lengths as one padded batch, so that padding does not change what is recognised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from deployments.padding import padded
from deployments.recognition.torch_checkpoint import Checkpoint
from deployments.torch_runtime import Placement

# A frame of wav2vec2 needs 400 samples, one of Parakeet two hops; below a tenth of a second there is no word anyway.
_SHORTEST_SAMPLES = SAMPLE_RATE_HZ // 10
_MEL_FLOOR = 2.0**-24
_DEVIATION_FLOOR = 1e-5
_VARIANCE_FLOOR = 1e-7

# Where a mask makes padding exact: logits of the valid frames differ by less than 1e-5 from those of a window alone.
_EXACT_WITH_MASK = frozenset({"wav2vec2", "hubert", "wavlm"})


@dataclass(frozen=True, slots=True, eq=False)
class PaddedBatch:
    """What a model is called with, and how many frames of its output belong to each window."""

    inputs: dict[str, torch.Tensor]
    frames: torch.Tensor


class Features(Protocol):
    """Prepares windows for a model."""

    frame_s: float

    def groups(self, lengths: Sequence[int]) -> list[list[int]]:
        """Windows, by index, that may be padded together; lengths are in samples."""
        ...

    def batch(self, windows: Sequence[Samples]) -> PaddedBatch:
        """One batch of windows that may be padded together."""
        ...


class ParakeetFeatures:
    """Log-mel features of Parakeet, normalised over each window, computed where the model is.

    The same as ParakeetFeatureExtractor's (a test compares them), which computes on the CPU only: with it, a GPU that
    transcribes 3000 seconds in one would wait for its input.
    """

    def __init__(self, checkpoint: Checkpoint, placement: Placement) -> None:
        extractor, self._model, self._placement = checkpoint.feature_extractor, checkpoint.model, placement
        self._hop, self._fft, self._preemphasis = extractor.hop_length, extractor.n_fft, extractor.preemphasis
        self._filters = extractor.mel_filters.to(placement.device)
        self._taper = torch.hann_window(extractor.win_length, periodic=False, device=placement.device)
        subsampling = checkpoint.model.config.encoder_config.subsampling_factor
        self.frame_s = self._hop * subsampling / SAMPLE_RATE_HZ

    def groups(self, lengths: Sequence[int]) -> list[list[int]]:
        """All of them: the encoder masks what is padded."""
        return [list(range(len(lengths)))]

    def batch(self, windows: Sequence[Samples]) -> PaddedBatch:
        """input_features [B, hops, mels] and attention_mask [B, hops]."""
        samples, lengths = _padded(windows, self._placement)
        if self._preemphasis is not None:
            samples[:, 1:] = samples[:, 1:] - self._preemphasis * samples[:, :-1]
            samples.masked_fill_(torch.arange(samples.shape[1], device=samples.device) >= lengths[:, None], 0.0)
        spectrum = torch.stft(
            samples,
            self._fft,
            self._hop,
            win_length=len(self._taper),
            window=self._taper,
            pad_mode="constant",
            return_complex=True,
        )
        power = torch.view_as_real(spectrum).square().sum(-1)
        mels = torch.log(self._filters @ power + _MEL_FLOOR).transpose(1, 2)
        hops = lengths // self._hop
        mask = torch.arange(mels.shape[1], device=mels.device) < hops[:, None]
        inputs = {"input_features": self._normalised(mels, mask).to(self._placement.dtype), "attention_mask": mask}
        return PaddedBatch(inputs, self._model._get_subsampling_output_length(hops))

    @staticmethod
    def _normalised(mels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        inside = mask[..., None]
        hops = inside.sum(1, keepdim=True)
        centred = (mels - (mels * inside).sum(1, keepdim=True) / hops) * inside
        deviation = (centred.square().sum(1, keepdim=True) / (hops - 1)).sqrt()
        return centred / (deviation + _DEVIATION_FLOOR)


class WaveformFeatures:
    """Samples of wav2vec2 and its relatives, each window normalised by itself before it is padded.

    Models with feat_extract_norm="group" (wav2vec2-base …) normalise over time and were trained without a mask: in a
    padded batch their logits move by as much as they vary. Only windows of one length share a batch there.
    """

    def __init__(self, checkpoint: Checkpoint, placement: Placement) -> None:
        self._normalise: bool = checkpoint.feature_extractor.do_normalize
        self._model, self._placement = checkpoint.model, placement
        config = checkpoint.model.config
        self._exact_with_mask = checkpoint.model_type in _EXACT_WITH_MASK and config.feat_extract_norm == "layer"
        self.frame_s = config.inputs_to_logits_ratio / SAMPLE_RATE_HZ

    def groups(self, lengths: Sequence[int]) -> list[list[int]]:
        """All of them where a mask makes padding exact, else those of equal length."""
        if self._exact_with_mask:
            return [list(range(len(lengths)))]
        by_length: dict[int, list[int]] = {}
        for index, length in enumerate(lengths):
            by_length.setdefault(max(length, _SHORTEST_SAMPLES), []).append(index)
        return list(by_length.values())

    def batch(self, windows: Sequence[Samples]) -> PaddedBatch:
        """input_values [B, samples], and attention_mask [B, samples] where the model was trained with one."""
        samples, lengths = _padded(windows, self._placement)
        inside = torch.arange(samples.shape[1], device=samples.device) < lengths[:, None]
        if self._normalise:
            samples = _normalised_samples(samples, inside)
        inputs = {"input_values": samples.to(self._placement.dtype)}
        if self._exact_with_mask:
            inputs["attention_mask"] = inside
        return PaddedBatch(inputs, self._model._get_feat_extract_output_lengths(lengths))


def features_of(checkpoint: Checkpoint, placement: Placement) -> Features:
    """What the checkpoint's architecture takes."""
    if checkpoint.model_type.startswith("parakeet"):
        return ParakeetFeatures(checkpoint, placement)
    return WaveformFeatures(checkpoint, placement)


def _normalised_samples(samples: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Mean 0 and variance 1 over the inside of each row, as Wav2Vec2FeatureExtractor does on the host."""
    count = inside.sum(1, keepdim=True)
    centred = (samples - samples.sum(1, keepdim=True) / count) * inside
    return centred * (centred.square().sum(1, keepdim=True) / count + _VARIANCE_FLOOR).rsqrt()


def _padded(windows: Sequence[Samples], placement: Placement) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples [B, longest] with silence after the shorter ones, float32, and lengths [B], on the device."""
    windows = [_long_enough(window) for window in windows]
    lengths = torch.tensor([len(window) for window in windows], device=placement.device)
    return padded(windows, placement.device), lengths


def _long_enough(window: Samples) -> Samples:
    if len(window) >= _SHORTEST_SAMPLES:
        return window
    return np.pad(window, (0, _SHORTEST_SAMPLES - len(window)))
