"""The weights of pyannote speaker-diarization-community-1, read from the moonshine-voice wheel.

The models are by pyannoteAI (https://hf.co/pyannote/speaker-diarization-community-1), licence CC-BY-4.0.
The wheel carries them as data symbols of its shared library, so no account and no model hub is needed.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from deployments import errors
from deployments.onnx_runtime import as_plain_onnx

SYMBOL_SCOPE = "_ZN9cppannote19embedded_community1"
STATISTICS_TENSOR = "/resnet/pool/stats_pool/Squeeze_output_0"
TRUNK_TENSOR = "/resnet/pool/Reshape_output_0"
PACKAGE = "moonshine_voice"
LIBRARY_NAMES = ("libmoonshine.so", "libmoonshine.dylib")


@dataclass(frozen=True, slots=True, eq=False)
class PldaWeights:
    """The x-vector transform (centre, LDA 256 -> 128, centre) and the PLDA that scores in its space.

    ``transform`` diagonalises both covariances: within a speaker to the identity, between speakers to
    ``between_variance``.
    """

    xvector_mean: npt.NDArray[np.float64]
    lda: npt.NDArray[np.float64]
    lda_mean: npt.NDArray[np.float64]
    plda_mean: npt.NDArray[np.float64]
    transform: npt.NDArray[np.float64]
    between_variance: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Community1:
    """Everything the pipeline needs, models as bytes for ``open_session``.

    ``segmentation``: waveforms [batch, 1, 160000] -> activity [batch, 589, 3] of 0 and 1.
    ``embedding_trunk``: fbank [batch, frames, 80] -> [batch, 2560, ceil(frames / 8)].
    ``embedding_head``: mean and standard deviation over trunk frames [batch, 5120] -> [batch, 256].
    ``embedding``: the uncut embedding model, fbank and weights [batch, frames] -> [batch, 256].
    """

    segmentation: bytes
    embedding: bytes
    embedding_trunk: bytes
    embedding_head: bytes
    plda: PldaWeights


@dataclass(frozen=True, slots=True, eq=False)
class Community1Graphs:
    """The same models, whole and as plain ONNX graphs, for who wants their weights."""

    segmentation: onnx.ModelProto
    embedding: onnx.ModelProto
    plda: PldaWeights


def load_community1(package: str = PACKAGE) -> Community1:
    """Read and cut the models; about 0.3 s.

    Raises:
        errors.EngineUnavailable: the wheel, its library or one of the symbols is missing.
    """
    library = _open_library(package)
    embedding = _read_symbol(library, "embedding_ort_data")
    graph = _graph(embedding)
    return Community1(
        segmentation=_read_symbol(library, "segmentation_ort_data"),
        embedding=embedding,
        embedding_trunk=_cut(graph, "fbank", ("batch", "frames", 80), TRUNK_TENSOR),
        embedding_head=_cut(graph, STATISTICS_TENSOR, ("batch", 5120), "embedding"),
        plda=_read_plda(library),
    )


def load_community1_graphs(package: str = PACKAGE) -> Community1Graphs:
    """Read the models as graphs.

    Raises:
        errors.EngineUnavailable: the wheel, its library or one of the symbols is missing.
    """
    library = _open_library(package)
    return Community1Graphs(
        segmentation=_graph(_read_symbol(library, "segmentation_ort_data")),
        embedding=_graph(_read_symbol(library, "embedding_ort_data")),
        plda=_read_plda(library),
    )


def _open_library(package: str) -> ctypes.CDLL:
    """Load the library without importing its package, which would load audio-device libraries.

    Loading was measured against reading the ELF file: 0.08 s, 12 MiB (shared between processes), no thread,
    no change of the environment, no symbol in common with onnxruntime's own library; and it needs no reader
    of each system's object format.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise errors.EngineUnavailable("diarization needs the moonshine-voice wheel: pip install moonshine-voice")
    folder = Path(spec.submodule_search_locations[0])
    path = next((folder / name for name in LIBRARY_NAMES if (folder / name).exists()), None)
    if path is None:
        raise errors.EngineUnavailable(f"the package {package} has none of {', '.join(LIBRARY_NAMES)}")
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise errors.EngineUnavailable(f"{path.name} of moonshine-voice cannot be loaded: {error}") from error


def _read_symbol(library: ctypes.CDLL, name: str, size_bytes: int | None = None) -> bytes:
    """Copy a data symbol; models carry their size in a second symbol."""
    try:
        if size_bytes is None:
            size_bytes = ctypes.c_size_t.in_dll(library, _mangled(f"{name}_size")).value
        return bytes((ctypes.c_ubyte * size_bytes).in_dll(library, _mangled(name)))
    except ValueError as error:
        raise errors.EngineUnavailable(
            f"this moonshine-voice carries no diarization weights ({name}); 0.0.73 does"
        ) from error


def _read_plda(library: ctypes.CDLL) -> PldaWeights:
    return PldaWeights(
        xvector_mean=_read_array(library, "xvec_mean1", np.float64, (256,)),
        lda=_read_array(library, "xvec_lda", np.float32, (256, 128)),
        lda_mean=_read_array(library, "xvec_mean2", np.float32, (128,)),
        plda_mean=_read_array(library, "plda_mu", np.float64, (128,)),
        transform=_read_array(library, "plda_tr", np.float64, (128, 128)),
        between_variance=_read_array(library, "plda_psi", np.float64, (128,)),
    )


def _read_array(
    library: ctypes.CDLL, name: str, dtype: type[np.floating], shape: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    size_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    data = _read_symbol(library, name, size_bytes)
    return np.frombuffer(data, dtype).reshape(shape).astype(np.float64)


def _mangled(name: str) -> str:
    return f"{SYMBOL_SCOPE}{len(name)}{name}E"


def _graph(model: bytes) -> onnx.ModelProto:
    return onnx.load_model_from_string(as_plain_onnx(model))


def _cut(model: onnx.ModelProto, source: str, source_shape: Iterable[str | int], target: str) -> bytes:
    """Keep what leads from one tensor to another, both float32."""
    needed, nodes = {target}, []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output) and source not in node.output:
            nodes.append(node)
            needed.update(node.input)
    helper = onnx.helper
    graph = helper.make_graph(
        nodes[::-1],
        name="cut",
        inputs=[helper.make_tensor_value_info(source, onnx.TensorProto.FLOAT, list(source_shape))],
        outputs=[helper.make_tensor_value_info(target, onnx.TensorProto.FLOAT, None)],
        initializer=[tensor for tensor in model.graph.initializer if tensor.name in needed],
    )
    # The converter lists every operator set it knows; the cut uses the standard one alone.
    opsets = [opset for opset in model.opset_import if not opset.domain]
    cut = helper.make_model(graph, opset_imports=opsets, ir_version=model.ir_version)
    return bytes(cut.SerializeToString())
