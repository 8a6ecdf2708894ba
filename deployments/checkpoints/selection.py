"""Which files of a checkpoint are wanted.

Repositories carry the same weights for several frameworks, and in several precisions. What torch engines load is taken:
safetensors where there are any, else torch's own files (pyannote's are such).
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

_OTHER_FRAMEWORKS = (
    *("*.msgpack", "*.h5", "*.ot", "*.tflite", "*.pb", "*.gguf", "*.ggml", "*.nemo", "*.mlmodel", "openvino_*"),
    *("*.onnx", "*.onnx_data", "*.onnx.data"),
)
_OTHER_FOLDERS = frozenset({"onnx", "openvino", "coreml", "runs", ".git", ".cache"})
# Of no use to an engine; and no code that comes with weights is ever run.
_NOT_WEIGHTS = ("*.py", "*.ipynb", "*.mp3", "*.wav", "*.flac", "*.png", "*.jpg", "*.gif", "*.tar", "*.zip", ".git*")
# model.fp32-00001-of-00002.safetensors beside model.safetensors: transformers' "variants".
_VARIANTS = tuple(f"*.{name}{end}" for name in ("fp32", "fp16", "bf16", "non_ema") for end in (".*", "-*"))
_UNWANTED = (*_OTHER_FRAMEWORKS, *_NOT_WEIGHTS, *_VARIANTS)
_TORCH_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.bin.index.json")


def wanted_files(sizes_bytes: Mapping[str, int]) -> dict[str, int]:
    """Narrow a listing (paths with slashes, from the checkpoint's root, to sizes) to what engines load."""
    files = {path: size for path, size in sizes_bytes.items() if _is_for_torch(path)}
    if any(path.endswith(".safetensors") for path in files):
        return {path: size for path, size in files.items() if not _matches(path, _TORCH_PICKLES)}
    return files


def _is_for_torch(path: str) -> bool:
    return _OTHER_FOLDERS.isdisjoint(path.split("/")[:-1]) and not _matches(path, _UNWANTED)


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    name = PurePosixPath(path).name.lower()
    return any(fnmatchcase(name, pattern) for pattern in patterns)
