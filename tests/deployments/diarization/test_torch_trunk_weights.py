"""Weights from a folder of pyannote's files, and files that are not what they should be."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import eigh

# what is imported next needs torch
pytest.importorskip("torch")

import torch

from deployments.diarization.checkpoint_file import Inert, read_checkpoint
from deployments.diarization.torch_trunk import load_torch_diarizer
from deployments.diarization.torch_trunk_weights import State, sinc_filters, weights_from_folder, weights_from_wheel
from deployments.errors import EngineUnavailable
from deployments.stopping import never
from deployments.torch_runtime import TorchSettings
from tests.fakes.community1_folder import Specifications, write_community1_folder

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_community1_folder(tmp_path_factory.mktemp("community1"))


@pytest.fixture
def own_folder(folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def assert_equal_states(ours: State, theirs: State) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], atol=1e-5, rtol=1e-4)


def test_a_folder_has_the_same_weights_as_the_wheel_whose_they_are(folder: Path) -> None:
    ours, wheel = weights_from_folder(folder), weights_from_wheel()
    assert_equal_states(ours.segmentation, wheel.segmentation)
    assert_equal_states(ours.trunk, wheel.trunk)
    assert_equal_states(ours.head, wheel.head)
    np.testing.assert_array_equal(ours.plda.transform, wheel.plda.transform)
    np.testing.assert_array_equal(ours.plda.lda_mean, wheel.plda.lda_mean)
    assert load_torch_diarizer(TorchSettings("cpu"), folder).voiceprint(np.zeros(16_000, np.float32), never) is None


def test_sinc_filters_pass_their_band_alone() -> None:
    taps = torch.arange(-125, 0, dtype=torch.float64)
    half_angles = 2 * torch.pi * taps[None] / 16_000
    window = 0.54 - 0.46 * torch.cos(2 * torch.pi * torch.linspace(0, 124, 125, dtype=torch.float64) / 251)
    low, band = torch.tensor([[1_000.0]]).double(), torch.tensor([[-500.0]]).double()
    cosine, sine = sinc_filters(low, band, window, half_angles)[:, 0]
    frequencies_hz = torch.fft.rfftfreq(16_000, 1 / 16_000)
    for filter_ in (cosine, sine):
        response = torch.fft.rfft(filter_, 16_000).abs()
        inside = response[(frequencies_hz > 1_150) & (frequencies_hz < 1_500)].min()
        outside = response[(frequencies_hz < 900) | (frequencies_hz > 1_750)].max()
        assert inside > 20 * outside
    torch.testing.assert_close(cosine, cosine.flip(0))
    torch.testing.assert_close(sine, -sine.flip(0))


def test_the_plda_is_that_of_pyannotes_eigenvectors(folder: Path) -> None:
    """pyannote solves for the vectors that make both covariances diagonal: those that the file already has."""
    plda = weights_from_folder(folder).plda
    within = np.linalg.inv(plda.transform.T @ plda.transform)
    between = np.linalg.inv((plda.transform.T / plda.between_variance) @ plda.transform)
    variances, vectors = eigh(between, within)
    order = np.argsort(plda.between_variance)
    np.testing.assert_allclose(variances, plda.between_variance[order], rtol=1e-6)
    np.testing.assert_allclose(np.abs(vectors.T), np.abs(plda.transform[order]), atol=1e-5)


def test_objects_of_other_classes_are_read_as_inert(folder: Path) -> None:
    description = read_checkpoint(folder / "segmentation" / "pytorch_model.bin")["pyannote.audio"]["specifications"]
    assert isinstance(description, Inert)
    assert not isinstance(description, Specifications)


class Hostile:
    """Unpickled in full, it makes a file."""

    def __init__(self, call: object, *arguments: object) -> None:
        self._call, self._arguments = call, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self._call, self._arguments


@pytest.mark.parametrize("call", [os.mkdir, os.system, exec])
def test_what_a_hostile_file_names_is_not_called(own_folder: Path, tmp_path: Path, call: object) -> None:
    mark = tmp_path / "mark"
    arguments = {os.mkdir: str(mark), os.system: f"touch {mark}", exec: f"import os; os.mkdir({str(mark)!r})"}
    path = own_folder / "segmentation" / "pytorch_model.bin"
    torch.save({"state_dict": Hostile(call, arguments[call])}, path)  # type: ignore[index]
    torch.load(path, weights_only=False)
    assert mark.exists(), "the file does nothing hostile"
    mark.rmdir() if mark.is_dir() else mark.unlink()
    with pytest.raises(EngineUnavailable):
        weights_from_folder(own_folder)
    assert not mark.exists()


@pytest.mark.parametrize(
    "missing",
    ["segmentation/pytorch_model.bin", "embedding/pytorch_model.bin", "plda/plda.npz", "plda/xvec_transform.npz"],
)
def test_a_missing_file_is_named(own_folder: Path, missing: str) -> None:
    (own_folder / missing).unlink()
    with pytest.raises(EngineUnavailable, match=Path(missing).name):
        weights_from_folder(own_folder)


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1", b"PK\x03\x04 no archive"])
def test_a_damaged_file_is_named(own_folder: Path, content: bytes) -> None:
    (own_folder / "embedding" / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(EngineUnavailable, match="embedding"):
        weights_from_folder(own_folder)


def test_networks_of_another_kind_are_refused(own_folder: Path) -> None:
    path = own_folder / "embedding" / "pytorch_model.bin"
    shutil.copy(own_folder / "segmentation" / "pytorch_model.bin", path)
    with pytest.raises(EngineUnavailable, match="not community-1"):
        load_torch_diarizer(TorchSettings("cpu"), own_folder)
