"""Reads the weights of Moonshine tiny out of the files that the moonshine-voice wheel carries.

The wheel ships ONNX Runtime's own .ort files. From their plain graphs we take the tensors by the names of the nodes
that use them, and leave the graphs themselves alone (graphs.py builds leaner ones).
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from deployments.errors import EngineUnavailable
from deployments.onnx_runtime import as_plain_onnx

Array = npt.NDArray[np.float32]

_QUANTIZED_PRODUCTS = ("DynamicQuantizeMatMul", "MatMulIntegerToFloat")
# Optimisation left a tag in the names of initialisers that both branches of the merged decoder share.
_MERGED = re.compile(r"_merged_\d+$")


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedMatrix:
    """A weight of shape [inputs, outputs]: value = (quantized - zero_point) * scale."""

    quantized: npt.NDArray[np.uint8]
    scale: float
    zero_point: int

    def to_float(self) -> Array:
        """The weight as float32, [inputs, outputs]."""
        return ((self.quantized.astype(np.int16) - self.zero_point) * np.float32(self.scale)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Tensors by the names of the published model (``layers.0.self_attn.q_proj``, ``conv1.weight`` …)."""

    matrices: dict[str, QuantizedMatrix]
    tensors: dict[str, Array]


def model_folder() -> Path:
    """Where the wheel keeps Moonshine tiny, found without importing the package (it loads audio devices).

    Raises:
        EngineUnavailable: the wheel is not installed, or is a version without weights.
    """
    spec = importlib.util.find_spec("moonshine_voice")
    for root in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(root) / "assets" / "tiny-en"
        if (folder / "encoder_model.ort").is_file():
            return folder
    raise EngineUnavailable(
        "Moonshine tiny was not found: install moonshine-voice==0.0.73, the last version whose wheel carries it"
    )


def read_encoder(folder: Path) -> Weights:
    """Weights of the encoder, names without prefix."""
    return _collect(_graph(folder / "encoder_model.ort"), prefix="/")


def read_decoder(folder: Path) -> Weights:
    """Weights of the decoder (``layers.N…``, ``norm.weight``, ``embed_tokens``, ``proj_out``)."""
    merged = _graph(folder / "decoder_model_merged.ort")
    branch_node = next(node for node in merged.node if node.op_type == "If")
    # The branch without a cache also computes the cross-attention keys and values, so it has every weight.
    whole = next(attribute.g for attribute in branch_node.attribute if attribute.name == "else_branch")
    whole.initializer.extend(merged.initializer)
    return _collect(whole, prefix="/model/decoder/")


def _graph(ort_file: Path) -> onnx.GraphProto:
    return onnx.load_model_from_string(as_plain_onnx(ort_file)).graph


def _collect(graph: onnx.GraphProto, prefix: str) -> Weights:
    values = {initializer.name: initializer for initializer in graph.initializer}
    matrices = {}
    for node in graph.node:
        if node.op_type in _QUANTIZED_PRODUCTS:
            # DynamicQuantizeMatMul(a, b, b_scale, b_zero); MatMulIntegerToFloat(a, b, a_scale, b_scale, a_zero, b_zero)
            scale_at, zero_at = (2, 3) if node.op_type == "DynamicQuantizeMatMul" else (3, 5)
            name = node.name.removesuffix("/MatMul_quant").removeprefix(prefix).strip("/").replace("/", ".")
            matrices[name] = _matrix(values, node.input[1], node.input[scale_at], node.input[zero_at])
    tensors: dict[str, Array] = {}
    for node in graph.node:
        if node.name in (
            "/groupnorm/Mul",
            "/groupnorm/Add",
        ):  # the exporter gave these two no name of their own
            name = "groupnorm.weight" if node.op_type == "Mul" else "groupnorm.bias"
            tensors[name] = numpy_helper.to_array(values[node.input[1]])
    for name, initializer in values.items():
        if initializer.data_type == onnx.TensorProto.FLOAT and ("weight" in name or "bias" in name):
            plain = _MERGED.sub("", name.removeprefix("model.decoder.")).removesuffix("_add_tensor")
            tensors[plain] = numpy_helper.to_array(initializer)
    embedding = next((n for n in values if n.endswith("_quantized") and "embed_tokens" in n), None)
    if embedding:
        stem = embedding.removesuffix("_quantized")
        matrices["embed_tokens"] = _matrix(values, embedding, f"{stem}_scale", f"{stem}_zero_point")
    return Weights(matrices, tensors)


def _matrix(values: dict[str, onnx.TensorProto], name: str, scale: str, zero_point: str) -> QuantizedMatrix:
    return QuantizedMatrix(
        quantized=numpy_helper.to_array(values[name]),
        scale=float(numpy_helper.to_array(values[scale])),
        zero_point=int(numpy_helper.to_array(values[zero_point])),
    )
