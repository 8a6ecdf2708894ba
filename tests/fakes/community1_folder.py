"""A folder as pyannote/speaker-diarization-community-1 has it, with the weights of the moonshine-voice wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import yaml

from deployments.diarization.community1 import PldaWeights, load_community1_graphs
from deployments.diarization.torch_trunk_weights import weights_from_wheel

_SINC = "sincnet.conv1d.0"
_FILTERBANK = tuple(f"{_SINC}.filterbank.{name}" for name in ("low_hz_", "band_hz_", "window_", "n_"))
_EPSILON = 1e-5


class Specifications:
    """Stands for pyannote.audio's class of this name, which is pickled beside the weights."""

    def __init__(self) -> None:
        self.duration = 10.0


def write_community1_folder(
    root: Path, *, segmentation: object = None, embedding: object = None, step: float = 0.1
) -> Path:
    """Write config.yaml, both networks and the PLDA.

    Args:
        root: made where it is missing.
        segmentation: pyannote.audio's specifications of the network.
        embedding: the same for the other one.
        step: between windows, in windows.
    """
    graphs, weights = load_community1_graphs(), weights_from_wheel()
    stored = {tensor.name: tensor for tensor in graphs.segmentation.graph.initializer}
    filterbank = {name: torch.tensor(onnx.numpy_helper.to_array(stored[f"inner.{name}"])) for name in _FILTERBANK}
    network = {name: value for name, value in weights.segmentation.items() if name != f"{_SINC}.weight"}
    _save(
        root / "segmentation",
        network | filterbank,
        architecture=("pyannote.audio.models.segmentation.PyanNet", "PyanNet"),
        hyper_parameters={
            "sincnet": {"stride": 10, "sample_rate": 16_000},
            "lstm": {"hidden_size": 128, "num_layers": 4, "bidirectional": True, "monolithic": True, "dropout": 0.0},
            "linear": {"hidden_size": 128, "num_layers": 2},
        },
        specifications=segmentation or Specifications(),
    )
    head = {f"resnet.seg_1.{name}": value for name, value in weights.head.items()}
    _save(
        root / "embedding",
        _with_batch_norms(weights.trunk) | head,
        architecture=("pyannote.audio.models.embedding.wespeaker", "WeSpeakerResNet34"),
        hyper_parameters={},
        specifications=embedding or Specifications(),
    )
    _save_plda(root / "plda", graphs.plda)
    (root / "config.yaml").write_text(yaml.safe_dump(config(step)))
    return root


def config(step: float = 0.1) -> dict[str, Any]:
    """What config.yaml says."""
    return {
        "dependencies": {"pyannote.audio": "4.0.0"},
        "pipeline": {
            "name": "pyannote.audio.pipelines.SpeakerDiarization",
            "params": {
                "clustering": "VBxClustering",
                "segmentation": "$model/segmentation",
                "segmentation_batch_size": 32,
                "segmentation_step": step,
                "embedding": "$model/embedding",
                "embedding_batch_size": 32,
                "embedding_exclude_overlap": True,
                "plda": "$model/plda",
            },
        },
        "params": {
            "clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8},
            "segmentation": {"min_duration_off": 0.0},
        },
    }


def _with_batch_norms(trunk: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Take apart into a convolution without bias and a batch normalisation what makes the same of its input."""
    random = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    for name in (name.removesuffix(".weight") for name in trunk if name.endswith(".weight")):
        weight, bias = trunk[f"{name}.weight"], trunk[f"{name}.bias"]
        gain, mean, variance = (torch.rand(len(bias), generator=random) + 0.5 for _ in range(3))
        scale = gain / (variance + _EPSILON).sqrt()
        path, _, last = name.rpartition(".")
        norm = f"resnet.{path}{'.' if path else ''}{'1' if last == '0' else last.replace('conv', 'bn')}"
        state |= {
            f"resnet.{name}.weight": weight / scale[:, None, None, None],
            f"{norm}.weight": gain,
            f"{norm}.bias": bias + mean * scale,
            f"{norm}.running_mean": mean,
            f"{norm}.running_var": variance,
            f"{norm}.num_batches_tracked": torch.tensor(1),
        }
    return state


def _save(
    folder: Path,
    state: dict[str, torch.Tensor],
    architecture: tuple[str, str],
    hyper_parameters: dict[str, Any],
    specifications: object,
) -> None:
    module, name = architecture
    checkpoint = {
        "state_dict": state,
        "hyper_parameters": hyper_parameters,
        "epoch": 0,
        "global_step": 0,
        "pytorch-lightning_version": "2.6.6",
        "pyannote.audio": {
            "versions": {"torch": torch.__version__, "pyannote.audio": "4.0.0"},
            "architecture": {"module": module, "class": name},
            "specifications": specifications,
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, folder / "pytorch_model.bin")


def _save_plda(folder: Path, plda: PldaWeights) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "xvec_transform.npz", mean1=plda.xvector_mean, mean2=plda.lda_mean, lda=plda.lda)
    np.savez(folder / "plda.npz", mu=plda.plda_mean, tr=plda.transform, psi=plda.between_variance)
