"""Reads a checkpoint folder in the layout of the Hugging Face hub. Code in the folder is never run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError

from deployments.errors import EngineUnavailable
from deployments.torch_runtime import Placement

# Used while a model learns only, and often left out of what is published: a mask, and a count of batches.
_NOT_NEEDED = ("masked_spec_embed", "num_batches_tracked")


def read_weights(model_class: Any, folder: Path, placement: Placement, **options: Any) -> Any:
    """A model of a class of transformers, with the folder's weights, in evaluation mode, on its device.

    Args:
        model_class: one that has ``from_pretrained``.
        folder: the checkpoint.
        placement: device and precision.
        options: further ones of ``from_pretrained``.

    Raises:
        EngineUnavailable: the files cannot be read, or weights are missing or of another shape.
    """
    # A bar that moves is noise in a log.
    transformers.utils.logging.disable_progress_bar()
    with unreadable_told(folder):
        model, loaded = model_class.from_pretrained(
            str(folder), local_files_only=True, dtype=placement.dtype, output_loading_info=True, **options
        )
    # transformers makes up at random what the files lack, and says so in the log only.
    missing = sorted(name for name in loaded["missing_keys"] if not name.endswith(_NOT_NEEDED))
    if missing:
        raise EngineUnavailable(f"The checkpoint in {folder} lacks weights: {_first(missing)}")
    return model.to(placement.device).eval()


@contextmanager
def unreadable_told(folder: Path) -> Iterator[None]:
    """Turns what transformers raises for a file that is missing or damaged into EngineUnavailable."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise EngineUnavailable(f"The checkpoint in {folder} cannot be read: {error}") from error


def _first(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")
