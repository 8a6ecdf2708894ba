"""Checkpoints that the tests share; without torch and transformers only what needs neither is collected."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deployments.torch_runtime import TorchSettings
from tests.fakes.checkpoints import trained_whisper_checkpoint, whisper_checkpoint

if TYPE_CHECKING:
    from deployments.recognition.whisper.engine import WhisperEngine

collect_ignore = (
    []
    if find_spec("torch") and find_spec("transformers")
    else [
        "test_alignment.py",
        "test_decoder.py",
        "test_engine.py",
        "test_features.py",
        "test_guards.py",
        "test_melodies.py",
        "test_tokenizer.py",
    ]
)

CPU = TorchSettings(device="cpu")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, windows of four seconds."""
    return whisper_checkpoint(tmp_path_factory.mktemp("whisper"), window_s=4)


@pytest.fixture(scope="session")
def trained_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes down melodies."""
    return trained_whisper_checkpoint(tmp_path_factory.mktemp("whisper-trained"))


@pytest.fixture(scope="session")
def engine(checkpoint: Path) -> WhisperEngine:
    """Believes every text, so that nothing is decoded twice."""
    from deployments.recognition.whisper.engine import WhisperEngine
    from deployments.recognition.whisper.settings import WhisperSettings

    return WhisperEngine(checkpoint, WhisperSettings(torch=CPU, temperatures=(0.0,)))
