"""Reads the parts of a checkpoint that transformers reads, with errors that say what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import transformers
from safetensors import SafetensorError
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer

from deployments.errors import EngineUnavailable
from deployments.torch_runtime import Placement


def read_model(folder: Path, placement: Placement) -> WhisperForConditionalGeneration:
    """The model in evaluation mode, on its device.

    Raises:
        EngineUnavailable: there are no weights, or not all, or they are another model's.
    """
    # A bar that moves is noise in a log.
    transformers.utils.logging.disable_progress_bar()
    with _explained(folder):
        model, loaded = WhisperForConditionalGeneration.from_pretrained(
            str(folder),
            local_files_only=True,
            dtype=placement.dtype,
            attn_implementation="sdpa",
            output_loading_info=True,
        )
    # transformers makes up at random what the files lack, and says so in the log only.
    if loaded["missing_keys"]:
        missing = ", ".join(sorted(loaded["missing_keys"])[:3])
        raise EngineUnavailable(f"The checkpoint in {folder} lacks weights of Whisper: {missing} …")
    return model.to(placement.device).eval()


def read_tokenizer(folder: Path) -> WhisperTokenizer:
    """From tokenizer.json, or vocab.json and merges.txt.

    Raises:
        EngineUnavailable: there are none.
    """
    # Without either, transformers makes an empty vocabulary.
    if not (folder / "tokenizer.json").is_file() and not (folder / "vocab.json").is_file():
        raise EngineUnavailable(f"The Whisper checkpoint in {folder} has neither tokenizer.json nor vocab.json")
    with _explained(folder):
        return WhisperTokenizer.from_pretrained(str(folder), local_files_only=True)


def read_feature_extractor(folder: Path) -> WhisperFeatureExtractor:
    """From preprocessor_config.json: checkpoints differ in their number of mel bands.

    Raises:
        EngineUnavailable: there is none.
    """
    with _explained(folder):
        return WhisperFeatureExtractor.from_pretrained(str(folder), local_files_only=True)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise EngineUnavailable(f"Cannot read the Whisper checkpoint in {folder}: {error}") from error
