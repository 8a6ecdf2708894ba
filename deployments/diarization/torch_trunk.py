"""The shared-trunk networks on torch, in batches, for a GPU or a CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from deployments import contracts, errors
from deployments.diarization.embedding import (
    EMBEDDING_SIZE,
    TRUNK_CHANNELS,
    TRUNK_STEP_SAMPLES,
    Floats,
    TrunkPiece,
    TrunkPieces,
    WindowWeights,
    count_trunk_frames,
    heard_frames,
    voice_weights,
)
from deployments.diarization.segmentation import (
    FRAME_STEP_SAMPLES,
    FRAMES_PER_WINDOW,
    LOCAL_SPEAKERS,
    WINDOW_SAMPLES,
    LocalActivity,
    window_first_frames,
)
from deployments.diarization.shared_trunk import SharedTrunkDiarizer, SharedTrunkSettings
from deployments.diarization.torch_trunk_networks import KaldiFbank, PyanNet, ResNetTrunk, pool_statistics
from deployments.diarization.torch_trunk_weights import State, weights_from_folder, weights_from_wheel
from deployments.stopping import ShouldStop, raise_if_stopped
from deployments.torch_runtime import Placement, TorchSettings, halving, placement_of

WINDOW_TRUNK_FRAMES = WINDOW_SAMPLES // TRUNK_STEP_SAMPLES
POOLED_WINDOWS = 64
"""Windows pooled at once: 82 MB of trunk frames."""


@dataclass(frozen=True, slots=True)
class TorchBatches:
    """What goes through a network at once; less where the device's memory does not hold it.

    Attributes:
        windows: of 10 s, for the segmentation.
        pieces: of 12 s, for the trunk of the embedding; each takes 56 MB in float32 on its way.
    """

    windows: int = 32
    pieces: int = 32


def load_torch_diarizer(
    torch_settings: TorchSettings,
    folder: Path | None = None,
    batches: TorchBatches | None = None,
    settings: SharedTrunkSettings | None = None,
) -> SharedTrunkDiarizer:
    """The engine on torch.

    Args:
        torch_settings: device and threads; the precision is that of the embedding's trunk, which is nearly all of
            the arithmetic. DER on 19 recordings: 18.91 % with a trunk in float32, in bfloat16, and on ONNX Runtime;
            19.27 % with the segmentation in bfloat16 too, so that it and the rest are always float32.
        folder: with the files of pyannote/speaker-diarization-community-1; None: the weights of the
            moonshine-voice wheel.
        batches: see there.
        settings: see there.

    Raises:
        errors.EngineUnavailable: the device or the weights are missing, or are not those of community-1.
    """
    placement = placement_of(torch_settings)
    batches = batches or TorchBatches()
    weights = weights_from_wheel() if folder is None else weights_from_folder(folder)
    segmentation, trunk, head = PyanNet(), ResNetTrunk(), nn.Linear(2 * TRUNK_CHANNELS, EMBEDDING_SIZE)
    for network, state in ((segmentation, weights.segmentation), (trunk, weights.trunk), (head, weights.head)):
        _load(network, state, placement.device)
    trunk.to(placement.dtype, memory_format=torch.channels_last)
    segmenter = TorchSegmenter(segmentation, placement, batches.windows)
    embedder = TorchTrunkEmbedder(trunk, head, placement, TrunkPieces(), batches.pieces)
    return SharedTrunkDiarizer(segmenter, embedder, weights.plda, settings)


class TorchSegmenter:
    """PyanNet over sliding windows."""

    def __init__(self, network: PyanNet, placement: Placement, batch_windows: int) -> None:
        self._network = network
        self._device = placement.device
        self._batch_windows = batch_windows

    def segment(self, samples: contracts.Samples, step_frames: int, should_stop: ShouldStop) -> LocalActivity:
        """See Segmenter.segment."""
        first_frames = window_first_frames(len(samples), step_frames)
        begins = (first_frames * FRAME_STEP_SAMPLES).tolist()
        waveform = torch.zeros(begins[-1] + WINDOW_SAMPLES, device=self._device)
        waveform[: len(samples)] = torch.tensor(samples)
        active = np.empty((len(begins), FRAMES_PER_WINDOW, LOCAL_SPEAKERS), dtype=np.bool_)

        def run(batch: Sequence[int]) -> list[Tensor]:
            windows = torch.stack([waveform[begin : begin + WINDOW_SAMPLES] for begin in batch])
            return list(self._network(windows).cpu())

        for start in range(0, len(begins), self._batch_windows):
            raise_if_stopped(should_stop)
            batch = begins[start : start + self._batch_windows]
            with torch.inference_mode():
                active[start : start + len(batch)] = torch.stack(halving(run, batch)).numpy()
        return LocalActivity(first_frames, active)


class TorchTrunkEmbedder:
    """WeSpeaker ResNet34, its trunk once over the recording.

    The trunk's frames of the whole recording stay on the device until the voices are pooled: in bfloat16 as many
    bytes as the recording itself has, 230 MB for each hour, and twice that in float32.
    """

    def __init__(
        self, trunk: ResNetTrunk, head: nn.Linear, placement: Placement, pieces: TrunkPieces, batch_pieces: int
    ) -> None:
        self._fbank = KaldiFbank().to(placement.device)
        self._trunk = trunk
        self._head = head
        self._placement = placement
        self._pieces = pieces
        self._batch_pieces = batch_pieces

    def embed(self, samples: contracts.Samples, activity: LocalActivity, should_stop: ShouldStop) -> Floats:
        """See VoiceEmbedder.embed."""
        trunk_frame_count = count_trunk_frames(len(samples))
        windows = voice_weights(activity, trunk_frame_count)
        heard = heard_frames(windows, trunk_frame_count)
        pieces = [piece for piece in self._pieces.cut(trunk_frame_count) if heard[piece.start : piece.stop].any()]
        voices = np.full((len(windows), LOCAL_SPEAKERS, EMBEDDING_SIZE), np.nan, dtype=np.float32)
        if not pieces:
            return voices
        with torch.inference_mode():
            frames = self._trunk_frames(samples, pieces, trunk_frame_count, should_stop)
            for start in range(0, len(windows), POOLED_WINDOWS):
                batch = windows[start : start + POOLED_WINDOWS]
                voices[start : start + len(batch)] = self._pool(frames, batch)
        return voices

    def _trunk_frames(
        self, samples: contracts.Samples, pieces: list[TrunkPiece], trunk_frame_count: int, should_stop: ShouldStop
    ) -> Tensor:
        """[frames, 2560], zeros where no piece is."""
        waveform = torch.tensor(samples, device=self._placement.device)
        frames = torch.zeros(
            (trunk_frame_count, TRUNK_CHANNELS), device=self._placement.device, dtype=self._placement.dtype
        )

        def run(batch: Sequence[TrunkPiece]) -> list[Tensor]:
            fbank = self._fbank(torch.stack([waveform[piece.samples] for piece in batch]))
            return list(self._trunk(fbank.to(self._placement.dtype)))

        for batch in self._equal_batches(pieces, len(samples)):
            raise_if_stopped(should_stop)
            for piece, outputs in zip(batch, halving(run, batch), strict=True):
                frames[piece.start : piece.stop] = outputs[piece.start - piece.first : piece.stop - piece.first]
        return frames

    def _equal_batches(self, pieces: list[TrunkPiece], sample_count: int) -> Iterator[list[TrunkPiece]]:
        """Pieces of one length, since silence beside a piece would change it: all but the first and the last are."""
        for _, equal in groupby(pieces, key=lambda piece: len(range(sample_count)[piece.samples])):
            group = list(equal)
            for start in range(0, len(group), self._batch_pieces):
                yield group[start : start + self._batch_pieces]

    def _pool(self, frames: Tensor, windows: list[WindowWeights]) -> Floats:
        """[windows, 3, 256]; NaN for a local speaker that says nothing."""
        weights = np.zeros((len(windows), LOCAL_SPEAKERS, WINDOW_TRUNK_FRAMES), dtype=np.float32)
        for row, window in enumerate(windows):
            weights[row, :, : window.weights.shape[1]] = window.weights
        starts = torch.tensor([window.start for window in windows])
        # Frames beyond the recording have no weight: any others may stand for them.
        places = (starts[:, None] + torch.arange(WINDOW_TRUNK_FRAMES)).clamp(max=len(frames) - 1)
        local = frames[places.to(frames.device)].float()
        voices = self._head(pool_statistics(local, torch.from_numpy(weights).to(frames.device)))
        embeddings: Floats = voices.cpu().numpy()
        embeddings[weights.sum(axis=2) == 0] = np.nan
        return embeddings


def _load(network: nn.Module, state: State, device: torch.device) -> None:
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise errors.EngineUnavailable(f"The checkpoint is not community-1: {error}") from error
    network.requires_grad_(False).eval().to(device)
