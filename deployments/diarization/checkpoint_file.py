"""Reads what pyannote.audio has saved, without running anything that the file names."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deployments.errors import EngineUnavailable


class Inert:
    """Stands for an object of a class that is not to be imported: takes anything, does nothing."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments


def read_checkpoint(path: Path, inert: Iterable[str] | None = None) -> Mapping[str, Any]:
    """Read a file that torch.save has written.

    A pickle names what is to be called with what, and a hostile one names os.system. torch reads tensors and plain
    values alone (weights_only); beside them pyannote's files describe the training task in objects of its own
    classes, which become Inert here: nothing that the file names is imported.

    Args:
        path: the file.
        inert: full names of the classes that may occur; None for any.

    Raises:
        EngineUnavailable: there is no such file, it is damaged, or it names something else.
    """
    import torch
    from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

    if not path.is_file():
        raise EngineUnavailable(f"There is no {path}")
    try:
        names = get_unsafe_globals_in_checkpoint(path) if inert is None else inert
        with safe_globals([(Inert, name) for name in names]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, ValueError, RuntimeError, EOFError, OSError, AttributeError, TypeError) as error:
        raise EngineUnavailable(f"{path} is no checkpoint that can be trusted: {error}") from error
    if not isinstance(content, dict):
        raise EngineUnavailable(f"{path} holds no checkpoint of pyannote.audio")
    return content
