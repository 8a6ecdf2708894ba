"""Weights for the torch networks: from a folder of pyannote's files, or from graphs in the moonshine-voice wheel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights

from deployments.diarization.checkpoint_file import read_checkpoint
from deployments.diarization.community1 import PldaWeights, load_community1_graphs
from deployments.errors import EngineUnavailable

State = dict[str, Tensor]

_BATCH_NORM_EPSILON = 1e-5
_LOWEST_HZ = 50.0
_NARROWEST_HZ = 50.0
_NYQUIST_HZ = 8_000.0
_SINC = "sincnet.conv1d.0"
_SINC_PARAMETERS = ("low_hz_", "band_hz_", "window_", "n_")
_NORMS = ("sincnet.wav_norm1d", "sincnet.norm1d.0", "sincnet.norm1d.1", "sincnet.norm1d.2")
_BIASED = ("sincnet.conv1d.1", "sincnet.conv1d.2", "linear.0", "linear.1", "classifier")
_RESNET = "resnet."
_HEAD = "seg_1."


@dataclass(frozen=True, slots=True, eq=False)
class TorchWeights:
    """State dictionaries for PyanNet, ResNetTrunk and the linear layer after the pooling, all float32, and the PLDA."""

    segmentation: State
    trunk: State
    head: State
    plda: PldaWeights


def weights_from_folder(folder: Path) -> TorchWeights:
    """Read segmentation/, embedding/ and plda/ as pyannote/speaker-diarization-community-1 lays them out.

    Raises:
        EngineUnavailable: a file is missing or damaged, or is not what it should be.
    """
    segmentation = _state(folder / "segmentation" / "pytorch_model.bin")
    embedding = _state(folder / "embedding" / "pytorch_model.bin")
    try:
        trunk, head = _split(_fuse_batch_norms(embedding))
        return TorchWeights(_with_filters(segmentation), trunk, head, _read_plda(folder / "plda"))
    except KeyError as error:
        raise EngineUnavailable(f"{folder} does not hold community-1: there is no {error}") from error


def weights_from_wheel() -> TorchWeights:
    """Read the graphs of the moonshine-voice wheel; its 8-bit weights are multiplied out.

    Raises:
        EngineUnavailable: the wheel, its library or one of the symbols is missing.
    """
    graphs = load_community1_graphs()
    trunk, head = _split(_embedding_state(_Constants(graphs.embedding)))
    return TorchWeights(_segmentation_state(_Constants(graphs.segmentation)), trunk, head, graphs.plda)


def sinc_filters(low_hz: Tensor, band_hz: Tensor, half_window: Tensor, half_angles: Tensor) -> Tensor:
    """The band-pass filters that SincNet's parameters describe, each once as cosine and once as sine.

    As asteroid_filterbanks.ParamSincFB (Pariente et al. 2020) computes them.

    Args:
        low_hz: [filters, 1], lower edges less 50 Hz, of either sign.
        band_hz: [filters, 1], widths less 50 Hz, of either sign.
        half_window: [taps // 2], left half of a Hamming window.
        half_angles: [1, taps // 2], of the taps left of the middle: radians for each Hz.

    Returns:
        [2 * filters, 1, taps].
    """
    low = _LOWEST_HZ + low_hz.abs()
    high = (low + _NARROWEST_HZ + band_hz.abs()).clamp(_LOWEST_HZ, _NYQUIST_HZ)
    band = high - low
    scale = half_window / (half_angles / 2)
    cosine = ((high @ half_angles).sin() - (low @ half_angles).sin()) * scale
    sine = ((low @ half_angles).cos() - (high @ half_angles).cos()) * scale
    filters = torch.cat(
        (
            torch.cat((cosine, 2 * band, cosine.flip(1)), dim=1) / (2 * band),
            torch.cat((sine, torch.zeros_like(band), -sine.flip(1)), dim=1) / (2 * band),
        )
    )
    return filters.unsqueeze(1)


def _state(path: Path) -> State:
    content = read_checkpoint(path)
    state = content.get("state_dict")
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise EngineUnavailable(f"{path} holds no weights")
    return {str(name): value for name, value in state.items()}


def _with_filters(state: State) -> State:
    prefix = f"{_SINC}.filterbank."
    parameters = [state[prefix + name] for name in _SINC_PARAMETERS]
    rest = {name: value for name, value in state.items() if not name.startswith(prefix)}
    return rest | {f"{_SINC}.weight": sinc_filters(*parameters)}


def _fuse_batch_norms(state: State) -> State:
    """Put each batch normalisation into the convolution before it: bn1 belongs to conv1, shortcut.1 to shortcut.0."""
    fused: State = {}
    for name, weight in state.items():
        if not name.startswith(_RESNET) or not name.endswith(".weight"):
            continue
        layer = name.removesuffix(".weight")
        if layer == f"{_RESNET}seg_1":
            fused |= {"seg_1.weight": weight, "seg_1.bias": state[f"{layer}.bias"]}
        elif weight.ndim == 4:
            norm = _norm_after(layer)
            fused_weight, fused_bias = fuse_conv_bn_weights(
                weight,
                None,
                *(state[f"{norm}.{kind}"] for kind in ("running_mean", "running_var")),
                _BATCH_NORM_EPSILON,
                *(state[f"{norm}.{kind}"] for kind in ("weight", "bias")),
            )
            ours = layer.removeprefix(_RESNET)
            fused |= {f"{ours}.weight": fused_weight.detach(), f"{ours}.bias": fused_bias.detach()}
    return fused


def _norm_after(convolution: str) -> str:
    path, _, name = convolution.rpartition(".")
    return f"{path}.{'1' if name == '0' else name.replace('conv', 'bn')}"


def _split(state: State) -> tuple[State, State]:
    """Trunk and head."""
    head = {name.removeprefix(_HEAD): value for name, value in state.items() if name.startswith(_HEAD)}
    return {name: value for name, value in state.items() if not name.startswith(_HEAD)}, head


def _read_plda(folder: Path) -> PldaWeights:
    """pyannote computes the transform anew as eigenvectors: up to order and sign, the rows that the file has."""
    try:
        with np.load(folder / "xvec_transform.npz") as xvector, np.load(folder / "plda.npz") as plda:
            arrays = [xvector["mean1"], xvector["lda"], xvector["mean2"], plda["mu"], plda["tr"], plda["psi"]]
    except (OSError, ValueError) as error:
        raise EngineUnavailable(f"The PLDA in {folder} cannot be read: {error}") from error
    return PldaWeights(*(np.asarray(array, dtype=np.float64) for array in arrays))


class _Constants:
    """The constants of a graph by name, those of 8 bits multiplied out, and its nodes."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = list(model.graph.node)
        self._stored = {tensor.name: tensor for tensor in model.graph.initializer}
        self._makers = {node.output[0]: node for node in self.nodes}

    def tensor(self, name: str) -> Tensor:
        return torch.from_numpy(np.array(self._value(name), dtype=np.float32))

    def _value(self, name: str) -> npt.NDArray[np.float32]:
        if name in self._stored:
            return onnx.numpy_helper.to_array(self._stored[name])
        node = self._makers[name]
        values = [self._value(part) for part in node.input]
        match node.op_type:
            case "Cast":
                return values[0].astype(np.float32)
            case "Mul":
                return np.multiply(*values)
            case "Add":
                return np.add(*values)
        raise EngineUnavailable(f"The graph in the moonshine-voice wheel has an unknown operation, {node.op_type}")


def _segmentation_state(constants: _Constants) -> State:
    names = [f"{_SINC}.filterbank.{name}" for name in _SINC_PARAMETERS]
    names += [f"{layer}.bias" for layer in _BIASED]
    names += [f"{norm}.{kind}" for norm in _NORMS for kind in ("weight", "bias")]
    state = {name: constants.tensor(f"inner.{name}") for name in names}
    for node in constants.nodes:
        layer = node.name.removeprefix("/inner/").rpartition("/")[0].replace("/", ".")
        if layer in _BIASED and node.op_type in ("Conv", "MatMul"):
            weight = constants.tensor(node.input[1])
            state[f"{layer}.weight"] = weight.T.contiguous() if node.op_type == "MatMul" else weight
    lstms = [node for node in constants.nodes if node.op_type == "LSTM"]
    for index, node in enumerate(lstms):
        state |= _lstm_state(index, *(constants.tensor(name) for name in node.input[1:4]))
    return _with_filters(state)


def _lstm_state(layer: int, inputs: Tensor, recurrent: Tensor, biases: Tensor) -> State:
    """One layer, from ONNX's form: a direction's two biases lie in one row, and the gates' order is i o f c."""
    state: State = {}
    for direction, suffix in enumerate(("", "_reverse")):
        input_bias, recurrent_bias = biases[direction].chunk(2)
        values = {
            "weight_ih": inputs[direction],
            "weight_hh": recurrent[direction],
            "bias_ih": input_bias,
            "bias_hh": recurrent_bias,
        }
        for name, value in values.items():
            i, o, f, c = value.chunk(4)
            state[f"lstm.{name}_l{layer}{suffix}"] = torch.cat((i, f, c, o))
    return state


def _embedding_state(constants: _Constants) -> State:
    """Batch normalisation is already part of the convolutions there."""
    state: State = {}
    for node in constants.nodes:
        if node.op_type not in ("Conv", "Gemm"):
            continue
        layer = node.name.removeprefix("/resnet/").rpartition("/")[0]
        # /resnet/layer2/layer2.0/shortcut/shortcut.0/Conv: each level repeats the one above.
        parts = layer.split("/")
        name = ".".join(part for part in parts if not any(other.startswith(f"{part}.") for other in parts))
        state[f"{name}.weight"] = constants.tensor(node.input[1])
        state[f"{name}.bias"] = constants.tensor(node.input[2])
    return state
