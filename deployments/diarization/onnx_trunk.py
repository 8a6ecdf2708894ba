"""The shared-trunk networks on ONNX Runtime, for a CPU."""

from __future__ import annotations

from collections.abc import Iterator

import kaldi_native_fbank as knf
import numpy as np
import numpy.typing as npt

from deployments import contracts
from deployments.diarization.community1 import STATISTICS_TENSOR, Community1, load_community1
from deployments.diarization.embedding import (
    EMBEDDING_SIZE,
    TRUNK_CHANNELS,
    VARIANCE_FLOOR,
    Floats,
    TrunkPieces,
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
from deployments.onnx_runtime import open_session
from deployments.stopping import ShouldStop, raise_if_stopped

BATCH_WINDOWS = 4
"""A window costs 23-29 ms of one thread at any batch from 1 to 16: a batch only saves calls."""


def load_onnx_diarizer(
    threads: int = 1, models: Community1 | None = None, settings: SharedTrunkSettings | None = None
) -> SharedTrunkDiarizer:
    """The engine on a CPU.

    Args:
        threads: of each model call.
        models: weights; read from the moonshine-voice wheel when None.
        settings: see there.

    Raises:
        EngineUnavailable: the weights are missing.
    """
    models = models or load_community1()
    segmenter = OnnxSegmenter(models.segmentation, threads)
    embedder = OnnxTrunkEmbedder(models, TrunkPieces(), threads)
    return SharedTrunkDiarizer(segmenter, embedder, models.plda, settings)


class OnnxSegmenter:
    """pyannote's PyanNet over sliding windows (Bredin and Laurent 2021; powerset: Plaquet and Bredin 2023)."""

    def __init__(self, model: bytes, threads: int) -> None:
        self._session = open_session(model, threads)

    def segment(self, samples: contracts.Samples, step_frames: int, should_stop: ShouldStop) -> LocalActivity:
        """See Segmenter.segment."""
        first_frames = window_first_frames(len(samples), step_frames)
        active = np.empty((len(first_frames), FRAMES_PER_WINDOW, LOCAL_SPEAKERS), dtype=np.bool_)
        for start in range(0, len(first_frames), BATCH_WINDOWS):
            raise_if_stopped(should_stop)
            batch = first_frames[start : start + BATCH_WINDOWS]
            windows = np.zeros((len(batch), 1, WINDOW_SAMPLES), dtype=np.float32)
            for row, first_frame in enumerate(batch):
                begin = int(first_frame) * FRAME_STEP_SAMPLES
                piece = samples[begin : begin + WINDOW_SAMPLES]
                windows[row, 0, : len(piece)] = piece
            (activity,) = self._session.run(None, {"waveforms": windows})
            active[start : start + len(batch)] = activity > 0.5
        return LocalActivity(first_frames, active)


class OnnxTrunkEmbedder:
    """WeSpeaker ResNet34 (Wang et al. 2023), cut before its statistics pooling."""

    def __init__(self, models: Community1, pieces: TrunkPieces, threads: int) -> None:
        self._trunk = open_session(models.embedding_trunk, threads)
        self._head = open_session(models.embedding_head, threads)
        self._pieces = pieces

    def embed(self, samples: contracts.Samples, activity: LocalActivity, should_stop: ShouldStop) -> Floats:
        """See VoiceEmbedder.embed."""
        trunk_frame_count = count_trunk_frames(len(samples))
        windows = voice_weights(activity, trunk_frame_count)
        heard = heard_frames(windows, trunk_frame_count)
        embeddings = np.full((len(windows), LOCAL_SPEAKERS, EMBEDDING_SIZE), np.nan, dtype=np.float32)
        buffer = np.empty((0, 0), dtype=np.float32)
        buffer_start, next_window = 0, 0
        for piece in self._trunk_pieces(samples, heard, should_stop):
            buffer = np.concatenate((buffer, piece)) if buffer.size else piece
            buffer_end = buffer_start + len(buffer)
            while next_window < len(windows) and windows[next_window].stop <= buffer_end:
                window = windows[next_window]
                local = buffer[window.start - buffer_start : window.stop - buffer_start]
                speaking = window.weights.sum(axis=1) > 0
                if speaking.any():
                    statistics = pool_statistics(local, window.weights[speaking])
                    (embeddings[next_window, speaking],) = self._head.run(None, {STATISTICS_TENSOR: statistics})
                next_window += 1
            if next_window == len(windows):
                break
            keep_from = windows[next_window].start
            buffer, buffer_start = buffer[keep_from - buffer_start :], keep_from
        return embeddings

    def _trunk_pieces(
        self, samples: contracts.Samples, heard: npt.NDArray[np.bool_], should_stop: ShouldStop
    ) -> Iterator[Floats]:
        """Yield [frames, 2560] piece after piece; zeros for a piece that nobody pools from."""
        for piece in self._pieces.cut(len(heard)):
            if not heard[piece.start : piece.stop].any():
                yield np.zeros((piece.stop - piece.start, TRUNK_CHANNELS), dtype=np.float32)
                continue
            raise_if_stopped(should_stop)
            fbank = compute_fbank(samples[piece.samples])
            (frames,) = self._trunk.run(None, {"fbank": fbank[np.newaxis]})
            yield np.ascontiguousarray(frames[0, :, piece.start - piece.first : piece.stop - piece.first].T)


def compute_fbank(samples: contracts.Samples) -> Floats:
    """Kaldi log mel filterbank [frames, 80] of 25 ms every 10 ms, less each band's mean over time."""
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = contracts.SAMPLE_RATE_HZ
    options.frame_opts.dither = 0.0
    options.frame_opts.window_type = "hamming"
    options.mel_opts.num_bins = 80
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(contracts.SAMPLE_RATE_HZ, samples * np.float32(32768))
    fbank.input_finished()
    frames: Floats = np.stack([fbank.get_frame(index) for index in range(fbank.num_frames_ready)])
    frames -= frames.mean(axis=0, keepdims=True)
    return frames


def pool_statistics(frames: Floats, weights: Floats) -> Floats:
    """Weighted mean and standard deviation over time, as the embedding network's own pooling takes them.

    Args:
        frames: [frames, channels].
        weights: [speakers, frames], each row with a positive sum.

    Returns:
        [speakers, 2 * channels]: means, then standard deviations with the correction for reliability weights.
    """
    total = weights.sum(axis=1, keepdims=True) + VARIANCE_FLOOR
    mean = weights @ frames / total
    # As two products: the differences themselves would be a [speakers, frames, channels] array.
    spread = weights @ np.square(frames) - np.square(mean) * total
    freedom = total - np.square(weights).sum(axis=1, keepdims=True) / total + VARIANCE_FLOOR
    deviation = np.sqrt(np.maximum(spread, 0) / freedom)
    return np.concatenate((mean, deviation), axis=1).astype(np.float32)
