"""The networks on torch against the same on ONNX Runtime, on the speech inside the moonshine-voice wheel."""

from __future__ import annotations

import numpy as np
import pytest

# what is imported next needs torch
pytest.importorskip("torch")

import torch

from deployments.contracts import SAMPLE_RATE_HZ, Samples, SpeakerCount
from deployments.diarization.community1 import load_community1
from deployments.diarization.embedding import Floats, TrunkPieces
from deployments.diarization.onnx_trunk import OnnxSegmenter, OnnxTrunkEmbedder, compute_fbank, load_onnx_diarizer
from deployments.diarization.segmentation import LocalActivity
from deployments.diarization.shared_trunk import SharedTrunkDiarizer
from deployments.diarization.torch_trunk import TorchBatches, TorchSegmenter, TorchTrunkEmbedder, load_torch_diarizer
from deployments.diarization.torch_trunk_networks import KaldiFbank, PyanNet, ResNetTrunk, pool_statistics
from deployments.diarization.torch_trunk_weights import weights_from_wheel
from deployments.errors import Cancelled, EngineUnavailable
from deployments.stopping import never
from deployments.torch_runtime import Placement, Precision, TorchSettings
from tests.fakes.recordings import recording

pytestmark = pytest.mark.engine

CPU = TorchSettings(device="cpu")
STEP_FRAMES = 296


@pytest.fixture(scope="module")
def speech() -> Samples:
    """A reader, then a dialogue: 34 s, so that the trunk has two pieces of one length, and two others."""
    return np.concatenate(
        [
            recording("two_cities")[: 12 * SAMPLE_RATE_HZ],
            recording("endgame_nagg_nell")[: 22 * SAMPLE_RATE_HZ],
        ]
    )


@pytest.fixture(scope="module")
def on_onnx() -> tuple[OnnxSegmenter, OnnxTrunkEmbedder]:
    models = load_community1()
    return OnnxSegmenter(models.segmentation, threads=1), OnnxTrunkEmbedder(models, TrunkPieces(), threads=1)


@pytest.fixture(scope="module")
def activity(on_onnx: tuple[OnnxSegmenter, OnnxTrunkEmbedder], speech: Samples) -> LocalActivity:
    return on_onnx[0].segment(speech, STEP_FRAMES, never)


@pytest.fixture(scope="module")
def diarizer() -> SharedTrunkDiarizer:
    return load_torch_diarizer(CPU)


def embedder(dtype: torch.dtype = torch.float32, batch_pieces: int = 2) -> TorchTrunkEmbedder:
    weights = weights_from_wheel()
    trunk, head = ResNetTrunk(), torch.nn.Linear(5120, 256)
    trunk.load_state_dict(weights.trunk)
    head.load_state_dict(weights.head)
    placement = Placement(torch.device("cpu"), dtype)
    return TorchTrunkEmbedder(trunk.to(dtype), head, placement, TrunkPieces(), batch_pieces)


def segmenter(batch_windows: int) -> TorchSegmenter:
    network = PyanNet()
    network.load_state_dict(weights_from_wheel().segmentation)
    return TorchSegmenter(network, Placement(torch.device("cpu"), torch.float32), batch_windows)


def cosines(ours: Floats, theirs: Floats) -> Floats:
    """Of the voices that there are, which have to be the same ones."""
    heard = np.isfinite(theirs).all(axis=2)
    assert (np.isfinite(ours).all(axis=2) == heard).all()
    assert heard.sum() > 8
    norms = np.linalg.norm(ours[heard], axis=1) * np.linalg.norm(theirs[heard], axis=1)
    return np.asarray((ours[heard] * theirs[heard]).sum(axis=1) / norms)


def test_the_filterbank_is_kaldis(speech: Samples) -> None:
    pieces = speech[: 4 * SAMPLE_RATE_HZ].reshape(2, -1)
    ours = KaldiFbank()(torch.tensor(pieces)).numpy()
    assert ours.shape == (2, 198, 80)
    for row, piece in zip(ours, pieces, strict=True):
        np.testing.assert_allclose(row, compute_fbank(piece), atol=2e-3)


@pytest.mark.parametrize("batch_windows", [1, 8])
def test_the_segmentation_is_that_of_the_graph_in_any_batch(
    activity: LocalActivity, speech: Samples, batch_windows: int
) -> None:
    ours = segmenter(batch_windows).segment(speech, STEP_FRAMES, never)
    assert (ours.first_frames == activity.first_frames).all()
    assert (ours.active != activity.active).mean() < 1e-3


@pytest.mark.parametrize("batch_pieces", [1, 2])
def test_the_voices_are_those_of_the_graph_in_any_batch(
    on_onnx: tuple[OnnxSegmenter, OnnxTrunkEmbedder], activity: LocalActivity, speech: Samples, batch_pieces: int
) -> None:
    theirs = on_onnx[1].embed(speech, activity, never)
    ours = embedder(batch_pieces=batch_pieces).embed(speech, activity, never)
    assert cosines(ours, theirs).min() > 0.99999
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_a_trunk_in_bfloat16_hears_nearly_the_same_voices(activity: LocalActivity, speech: Samples) -> None:
    full = embedder().embed(speech, activity, never)
    half = embedder(torch.bfloat16).embed(speech, activity, never)
    assert half.dtype == np.float32
    assert 0.99 < cosines(half, full).min() < 1


def test_a_recording_has_the_same_turns_and_a_voice_the_same_print(
    diarizer: SharedTrunkDiarizer, speech: Samples
) -> None:
    reference = load_onnx_diarizer()
    turns = diarizer.diarize(speech, SpeakerCount())
    assert turns == reference.diarize(speech, SpeakerCount())
    assert {turn.speaker for turn in turns} == {"SPEAKER_00", "SPEAKER_01", "SPEAKER_02"}
    ours, theirs = (engine.voiceprint(speech[: 5 * SAMPLE_RATE_HZ]) for engine in (diarizer, reference))
    assert ours is not None
    assert theirs is not None
    assert ours.speech_s == theirs.speech_s
    np.testing.assert_allclose(ours.embedding, theirs.embedding, atol=1e-4)


@pytest.mark.parametrize("sample_count", [0, 1, 300, 8_000, 12 * SAMPLE_RATE_HZ])
def test_silence_has_no_turns(diarizer: SharedTrunkDiarizer, sample_count: int) -> None:
    assert diarizer.diarize(np.zeros(sample_count, dtype=np.float32), SpeakerCount()) == ()


def test_read_only_samples_are_enough(diarizer: SharedTrunkDiarizer, speech: Samples) -> None:
    frozen = speech[: 4 * SAMPLE_RATE_HZ].copy()
    frozen.flags.writeable = False
    assert diarizer.diarize(frozen, SpeakerCount(exact=2))


@pytest.mark.parametrize("calls_before_stop", [0, 1, 3])
def test_it_stops_between_batches(speech: Samples, calls_before_stop: int) -> None:
    small = load_torch_diarizer(CPU, batches=TorchBatches(windows=16, pieces=1))
    answers = iter([False] * calls_before_stop + [True])
    with pytest.raises(Cancelled):
        small.diarize(speech, SpeakerCount(), lambda: next(answers))


def test_windows_that_the_memory_does_not_hold_together_go_one_by_one(activity: LocalActivity, speech: Samples) -> None:
    class SmallMemory(PyanNet):
        def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
            if len(waveforms) > 1:
                raise torch.OutOfMemoryError("batch of more than one")
            return super().forward(waveforms)

    network = SmallMemory()
    network.load_state_dict(weights_from_wheel().segmentation)
    halved = TorchSegmenter(network, Placement(torch.device("cpu"), torch.float32), 8)
    assert (halved.segment(speech, STEP_FRAMES, never).active != activity.active).mean() < 1e-3


def test_precision_is_that_of_the_trunk(speech: Samples) -> None:
    half = load_torch_diarizer(TorchSettings("cpu", Precision.BFLOAT16))
    assert {turn.speaker for turn in half.diarize(speech, SpeakerCount())} == {
        "SPEAKER_00",
        "SPEAKER_01",
        "SPEAKER_02",
    }


def test_pooling_is_the_weighted_mean_and_deviation() -> None:
    random = np.random.default_rng(0)
    frames = random.normal(3.0, 2.0, (1, 40, 5)).astype(np.float32)
    weights = np.zeros((1, 2, 40), np.float32)
    weights[0, 0, 10:30] = 1
    weights[0, 1, ::2] = 1
    pooled = pool_statistics(torch.tensor(frames), torch.tensor(weights)).numpy()[0]
    for row, chosen in zip(pooled, (frames[0, 10:30], frames[0, ::2]), strict=True):
        np.testing.assert_allclose(row[:5], chosen.mean(axis=0), rtol=1e-4)
        np.testing.assert_allclose(row[5:], chosen.std(axis=0, ddof=1), rtol=1e-4)


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(EngineUnavailable, match="no-such-device"):
        load_torch_diarizer(TorchSettings(device="no-such-device"))
