"""Loads Whisper where its packages are installed."""

from __future__ import annotations

from pathlib import Path

from deployments.errors import EngineUnavailable
from deployments.recognition.engine import RecognitionEngine
from deployments.recognition.whisper.settings import WhisperSettings


def load_whisper(folder: Path, settings: WhisperSettings) -> RecognitionEngine:
    """An engine for the checkpoint in the folder, in the layout of the Hugging Face hub; takes seconds.

    Raises:
        EngineUnavailable: a package, a file or the device is missing.
    """
    try:
        from deployments.recognition.whisper.engine import WhisperEngine
    except ImportError as error:
        raise EngineUnavailable(f"Whisper needs torch and transformers ({error}): install rayscribe[torch]") from error
    return WhisperEngine(folder, settings)
