"""Reads the parts of a checkpoint that transformers reads, with errors that say what is missing."""

from __future__ import annotations

from pathlib import Path

from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer

from deployments.errors import EngineUnavailable
from deployments.torch_runtime import Placement
from deployments.torch_weights import read_weights, unreadable_told


def read_model(folder: Path, placement: Placement) -> WhisperForConditionalGeneration:
    """The model in evaluation mode, on its device.

    Raises:
        EngineUnavailable: there are no weights, or not all, or they are another model's.
    """
    model: WhisperForConditionalGeneration = read_weights(
        WhisperForConditionalGeneration, folder, placement, attn_implementation="sdpa"
    )
    return model


def read_tokenizer(folder: Path) -> WhisperTokenizer:
    """From tokenizer.json, or vocab.json and merges.txt.

    Raises:
        EngineUnavailable: there are none.
    """
    # Without either, transformers makes an empty vocabulary.
    if not (folder / "tokenizer.json").is_file() and not (folder / "vocab.json").is_file():
        raise EngineUnavailable(f"The Whisper checkpoint in {folder} has neither tokenizer.json nor vocab.json")
    with unreadable_told(folder):
        return WhisperTokenizer.from_pretrained(str(folder), local_files_only=True)


def read_feature_extractor(folder: Path) -> WhisperFeatureExtractor:
    """From preprocessor_config.json: checkpoints differ in their number of mel bands.

    Raises:
        EngineUnavailable: there is none.
    """
    with unreadable_told(folder):
        return WhisperFeatureExtractor.from_pretrained(str(folder), local_files_only=True)
