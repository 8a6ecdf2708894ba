"""Imports torchaudio where its compiled part cannot load.

PyPI has torchaudio for Linux only as a build for CUDA. Beside a torch for the CPU its import raises OSError: the
libraries of CUDA are not there. pyannote.audio imports it for resampling and filterbanks, which are plain Python.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import NoReturn

from deployments.errors import EngineUnavailable

_EXTENSION = "torchaudio._extension"


def import_torchaudio() -> ModuleType:
    """Import it whole, or else without its compiled part; then what needs that part (forced alignment) raises.

    Raises:
        EngineUnavailable: it is not installed.
    """
    try:
        return importlib.import_module("torchaudio")
    except ModuleNotFoundError as error:
        raise EngineUnavailable("This engine needs torchaudio: install rayscribe[gpu]") from error
    except (OSError, ImportError) as error:
        reason = str(error)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]
    sys.modules[_EXTENSION] = _stand_in(reason)
    return importlib.import_module("torchaudio")


def _stand_in(reason: str) -> ModuleType:
    """What torchaudio's own module is where it was built without a compiled part."""

    def missing(*_arguments: object, **_options: object) -> NoReturn:
        raise RuntimeError(f"torchaudio was loaded without its compiled part: {reason}")

    module = ModuleType(_EXTENSION)
    values = {
        "_IS_TORCHAUDIO_EXT_AVAILABLE": False,
        "_IS_ALIGN_AVAILABLE": False,
        "_check_cuda_version": lambda: None,
        "fail_if_no_align": lambda _function: missing,
    }
    for name, value in values.items():
        setattr(module, name, value)
    return module
