"""Transducers: Parakeet TDT and RNN-T."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from deployments.recognition.engine import Hypothesis, SpeechWindow
from deployments.recognition.frame_synchronous.capabilities import PARAKEET_TDT_V3_LANGUAGES, parakeet_capabilities
from deployments.recognition.frame_synchronous.features import ParakeetFeatures
from deployments.recognition.frame_synchronous.frame_words import FrameVocabulary, hypothesis_of
from deployments.recognition.frame_synchronous.grouping import transcribe_in_groups
from deployments.recognition.frame_synchronous.transducer_search import greedy_search
from deployments.recognition.torch_checkpoint import compile_layers, load_checkpoint, warm_up
from deployments.torch_runtime import TorchSettings, placement_of

_CLASSES = {"parakeet_tdt": "ParakeetForTDT", "parakeet_rnnt": "ParakeetForRNNT"}


@dataclass(frozen=True, slots=True)
class TransducerSettings:
    """How a transducer runs.

    Attributes:
        languages: ISO 639-1 codes that the checkpoint was trained for. The model hears by itself which one is spoken:
            a window's language changes nothing.
        torch: where it runs. With ``compile``, its encoder's layers are compiled, for any number and length of windows.
    """

    languages: tuple[str, ...] = PARAKEET_TDT_V3_LANGUAGES
    torch: TorchSettings = field(default_factory=TorchSettings)


class TransducerEngine:
    """Greedy transducer search over a batch of windows: words, their times and their confidences.

    Calls may overlap: a call keeps nothing in the model. Hints make no difference, and drafts are no faster.

    Raises:
        EngineUnavailable: torch, the device or a file is missing, or the checkpoint is none of a transducer.
    """

    def __init__(self, folder: Path, settings: TransducerSettings) -> None:
        placement = placement_of(settings.torch)
        checkpoint = load_checkpoint(folder, _CLASSES, placement)
        self._model = checkpoint.model
        self._features = ParakeetFeatures(checkpoint, placement)
        self._vocabulary = FrameVocabulary.of(checkpoint, self._model.config.blank_token_id, self._features.frame_s)
        self.capabilities = parakeet_capabilities(settings.languages)
        if settings.torch.compile:
            compile_layers(self._model.encoder.layers)
            warm_up(self.transcribe, settings.languages[0])

    def transcribe(self, windows: Sequence[SpeechWindow]) -> list[Hypothesis]:
        """Transcribe windows as one batch; padding changes nothing."""
        return transcribe_in_groups(self._transcribe, self._features.groups, windows)

    def _transcribe(self, windows: Sequence[SpeechWindow]) -> list[Hypothesis]:
        with torch.inference_mode():
            batch = self._features.batch([window.samples for window in windows])
            encoded = self._model.get_audio_features(**batch.inputs).pooler_output
            heard = greedy_search(self._model, encoded, batch.frames)
        return [
            hypothesis_of(row.tokens, self._vocabulary, window.duration_s, row.blank_log_probability)
            for row, window in zip(heard, windows, strict=True)
        ]
