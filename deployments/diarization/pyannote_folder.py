"""Checks a pyannote.audio pipeline before it is loaded, since loading runs what it names.

config.yaml may name any callable for its preprocessors, and pyannote.audio unpickles its networks in full: a public
proof of concept runs a shell command with either. Only what a speaker diarization is made of passes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deployments.diarization.checkpoint_file import read_checkpoint
from deployments.errors import EngineUnavailable

_PIPELINE = "pyannote.audio.pipelines.SpeakerDiarization"
_SECTIONS = frozenset({"dependencies", "version", "pipeline", "params"})
_PIPELINE_KEYS = frozenset({"name", "params"})
_NETWORKS = ("segmentation", "embedding")
_IN_FOLDER = (*_NETWORKS, "plda")
_PARAMETERS = frozenset(
    {
        *_IN_FOLDER,
        "clustering",
        "embedding_batch_size",
        "embedding_exclude_overlap",
        "segmentation_batch_size",
        "segmentation_step",
    }
)
_SUBFOLDER = re.compile(r"\$model/([A-Za-z0-9_-]+)")
_TASK = "pyannote.audio.core.task"
_CLASSES = (f"{_TASK}.Specifications", f"{_TASK}.Problem", f"{_TASK}.Resolution", "torch.torch_version.TorchVersion")
_ARCHITECTURES = "pyannote.audio.models."


def check_pipeline_folder(folder: Path) -> None:
    """Refuse a folder that could run anything, or that points out of itself.

    Raises:
        EngineUnavailable: with what is wrong.
    """
    parameters = _checked_parameters(folder / "config.yaml")
    subfolders = {}
    for name in _IN_FOLDER:
        match = _SUBFOLDER.fullmatch(str(parameters.get(name)))
        if match is None:
            raise EngineUnavailable(f"{folder}: {name} must lie beside config.yaml, as $model/{name}")
        subfolders[name] = folder / match[1]
    for name in _NETWORKS:
        _check_network(subfolders[name] / "pytorch_model.bin")


def _checked_parameters(path: Path) -> Mapping[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise EngineUnavailable(f"{path} cannot be read: {error}") from error
    match config:
        case {"pipeline": {"name": name, "params": dict(parameters)} as pipeline} if name == _PIPELINE:
            pass
        case _:
            raise EngineUnavailable(f"{path} does not describe a {_PIPELINE}")
    unknown = {*(config.keys() - _SECTIONS), *(pipeline.keys() - _PIPELINE_KEYS), *(parameters.keys() - _PARAMETERS)}
    if unknown:
        raise EngineUnavailable(f"{path} has what may run code or is not known: {', '.join(sorted(map(str, unknown)))}")
    return parameters


def _check_network(path: Path) -> None:
    content = read_checkpoint(path, inert=_CLASSES)
    try:
        module = content["pyannote.audio"]["architecture"]["module"]
    except (KeyError, TypeError) as error:
        raise EngineUnavailable(f"{path} was not saved by pyannote.audio") from error
    if not str(module).startswith(_ARCHITECTURES):
        raise EngineUnavailable(f"{path} is of {module}, and not one of pyannote.audio's own networks")
