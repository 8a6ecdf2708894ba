"""The networks of pyannote community-1 in torch, for inference alone.

Parameters are named as in pyannote.audio's checkpoints, except where inference needs less than training: the sinc
filters are weights of a plain convolution, and batch normalisation is part of the convolution before it.
"""

# torch is not read by the type checker, so that its Module is of no known type.
# mypy: allow-subclassing-any

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from deployments.diarization.embedding import FBANK_LENGTH_SAMPLES, FBANK_STEP_SAMPLES, VARIANCE_FLOOR

MEL_BANDS = 80
_FFT_SAMPLES = 512
_SAMPLE_RATE_HZ = 16_000
_LOWEST_HZ, _HIGHEST_HZ = 20.0, 8_000.0
_PREEMPHASIS = 0.97
_PCM_SCALE = 32_768.0
_LEAST_ENERGY = torch.finfo(torch.float32).eps


class SincNet(nn.Module):
    """Learned band-pass filters and two convolutions (Ravanelli and Bengio 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.wav_norm1d = nn.InstanceNorm1d(1, affine=True)
        self.conv1d = nn.ModuleList(
            [nn.Conv1d(1, 80, 251, stride=10, bias=False), nn.Conv1d(80, 60, 5), nn.Conv1d(60, 60, 5)]
        )
        self.norm1d = nn.ModuleList([nn.InstanceNorm1d(size, affine=True) for size in (80, 60, 60)])

    def forward(self, waveforms: Tensor) -> Tensor:
        """[batch, samples] to [batch, 60, frames]."""
        outputs = self.wav_norm1d(waveforms.unsqueeze(1))
        for index, (convolution, norm) in enumerate(zip(self.conv1d, self.norm1d, strict=True)):
            outputs = convolution(outputs)
            if index == 0:
                outputs = outputs.abs()
            outputs = functional.leaky_relu(norm(functional.max_pool1d(outputs, 3)))
        return outputs


class PyanNet(nn.Module):
    """Who of three speakers speaks, as one of seven sets of them (Bredin and Laurent 2021; Plaquet and Bredin 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.sincnet = SincNet()
        self.lstm = nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True)
        self.linear = nn.ModuleList([nn.Linear(256, 128), nn.Linear(128, 128)])
        self.classifier = nn.Linear(128, len(SPEAKER_SETS))
        self.register_buffer("sets", torch.tensor(SPEAKER_SETS, dtype=torch.bool), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """[batch, samples] to [batch, frames, speakers] of true and false."""
        outputs, _ = self.lstm(self.sincnet(waveforms).transpose(1, 2))
        for linear in self.linear:
            outputs = functional.leaky_relu(linear(outputs))
        return self.sets[self.classifier(outputs).argmax(dim=-1)]


SPEAKER_SETS = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1))
"""The classes in pyannote's order: by size, then by name; at most two speak at once."""


class Block(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        is_changed = stride != 1 or inputs != outputs
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride)) if is_changed else nn.Sequential()

    def forward(self, images: Tensor) -> Tensor:
        """[batch, channels, bands, frames], the last two divided by the stride."""
        outputs = self.conv2(functional.relu(self.conv1(images)))
        return functional.relu(outputs + self.shortcut(images))


class ResNetTrunk(nn.Module):
    """WeSpeaker ResNet34 (Wang et al. 2023) up to its pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.layer1 = _layer(32, 32, blocks=3, stride=1)
        self.layer2 = _layer(32, 64, blocks=4, stride=2)
        self.layer3 = _layer(64, 128, blocks=6, stride=2)
        self.layer4 = _layer(128, 256, blocks=3, stride=2)

    def forward(self, fbank: Tensor) -> Tensor:
        """[batch, frames, 80] to [batch, ceil(frames / 8), 2560]."""
        images = functional.relu(self.conv1(fbank.transpose(1, 2).unsqueeze(1)))
        images = self.layer4(self.layer3(self.layer2(self.layer1(images))))
        return images.flatten(1, 2).transpose(1, 2)


def _layer(inputs: int, outputs: int, *, blocks: int, stride: int) -> nn.Sequential:
    rest = [Block(outputs, outputs, 1) for _ in range(blocks - 1)]
    return nn.Sequential(Block(inputs, outputs, stride), *rest)


class KaldiFbank(nn.Module):
    """Kaldi's log mel filterbank as WeSpeaker computes it: 25 ms every 10 ms, no dither, each band less its mean.

    Povey et al. 2011, compute-fbank-feats with a Hamming window and 80 bands. Always in float32.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hamming_window(FBANK_LENGTH_SAMPLES, periodic=False), persistent=False)
        self.register_buffer("bands", _mel_bands(), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """[batch, samples] to [batch, frames, 80]."""
        frames = (waveforms * _PCM_SCALE).unfold(1, FBANK_LENGTH_SAMPLES, FBANK_STEP_SAMPLES)
        frames = frames - frames.mean(dim=2, keepdim=True)
        # The first sample of a frame has itself for its predecessor.
        frames = frames - _PREEMPHASIS * functional.pad(frames, (1, 0), mode="replicate")[..., :-1]
        power = torch.fft.rfft(frames * self.window, _FFT_SAMPLES).abs().square()
        fbank = (power[..., :-1] @ self.bands).clamp(min=_LEAST_ENERGY).log()
        return fbank - fbank.mean(dim=1, keepdim=True)


def _mel_bands() -> Tensor:
    """Triangles [256 bins, 80 bands], evenly spaced and straight-sided on the mel scale; no bin for 8 kHz."""
    bins_mel = _mel(torch.arange(_FFT_SAMPLES // 2, dtype=torch.float64) * _SAMPLE_RATE_HZ / _FFT_SAMPLES)
    lowest, highest = _mel(torch.tensor([_LOWEST_HZ, _HIGHEST_HZ], dtype=torch.float64)).tolist()
    edges = torch.linspace(lowest, highest, MEL_BANDS + 2, dtype=torch.float64)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins_mel[:, None] - left) / (centre - left)
    falling = (right - bins_mel[:, None]) / (right - centre)
    return torch.minimum(rising, falling).clamp(min=0).float()


def _mel(frequency_hz: Tensor) -> Tensor:
    return 1127.0 * torch.log1p(frequency_hz / 700.0)


def pool_statistics(frames: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean and standard deviation over time, as the embedding network's own pooling takes them.

    Args:
        frames: [windows, frames, channels] in float32: the variance is a small difference of large numbers.
        weights: [windows, speakers, frames].

    Returns:
        [windows, speakers, 2 * channels]; of no meaning for a speaker without weight.
    """
    total = weights.sum(dim=2, keepdim=True) + VARIANCE_FLOOR
    mean = weights @ frames / total
    spread = weights @ frames.square() - mean.square() * total
    freedom = total - weights.square().sum(dim=2, keepdim=True) / total + VARIANCE_FLOOR
    return torch.cat((mean, (spread.clamp(min=0) / freedom).sqrt()), dim=2)
