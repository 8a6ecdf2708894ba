"""CTC models: Parakeet CTC, wav2vec2 and its relatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from deployments.recognition.engine import Hypothesis, SpeechWindow
from deployments.recognition.frame_synchronous.capabilities import parakeet_capabilities, waveform_ctc_capabilities
from deployments.recognition.frame_synchronous.features import features_of
from deployments.recognition.frame_synchronous.frame_words import FrameVocabulary, collapse, hypothesis_of
from deployments.recognition.frame_synchronous.grouping import transcribe_in_groups
from deployments.recognition.torch_checkpoint import compile_layers, load_checkpoint, warm_up
from deployments.torch_runtime import TorchSettings, placement_of

_CLASSES = {
    "parakeet_ctc": "ParakeetForCTC",
    "wav2vec2": "Wav2Vec2ForCTC",
    "hubert": "HubertForCTC",
    "wavlm": "WavLMForCTC",
    "unispeech": "UniSpeechForCTC",
    "unispeech-sat": "UniSpeechSatForCTC",
    "data2vec-audio": "Data2VecAudioForCTC",
}


@dataclass(frozen=True, slots=True)
class CtcSettings:
    """How a CTC model runs.

    Attributes:
        languages: ISO 639-1 codes that the checkpoint was trained for; it does not say so itself.
        torch: where it runs. With ``compile``, its encoder's layers are compiled, for any number and length of windows.
    """

    languages: tuple[str, ...]
    torch: TorchSettings = field(default_factory=TorchSettings)


class CtcEngine:
    """Greedy CTC: one pass over a batch of windows gives the words, their times and their confidences.

    Calls may overlap: a call keeps nothing in the model. Hints make no difference, and drafts are no faster.

    Raises:
        EngineUnavailable: torch, the device or a file is missing, or the checkpoint is none of a CTC model.
    """

    def __init__(self, folder: Path, settings: CtcSettings) -> None:
        placement = placement_of(settings.torch)
        checkpoint = load_checkpoint(folder, _CLASSES, placement)
        self._model = checkpoint.model
        self._features = features_of(checkpoint, placement)
        self._vocabulary = FrameVocabulary.of(checkpoint, self._model.config.pad_token_id, self._features.frame_s)
        is_parakeet = checkpoint.model_type.startswith("parakeet")
        self.capabilities = (parakeet_capabilities if is_parakeet else waveform_ctc_capabilities)(settings.languages)
        if settings.torch.compile:
            compile_layers((self._model if is_parakeet else self._model.base_model).encoder.layers)
            warm_up(self.transcribe, settings.languages[0])

    def transcribe(self, windows: Sequence[SpeechWindow]) -> list[Hypothesis]:
        """Transcribe windows as one batch, or one for each length where padding would change the result."""
        return transcribe_in_groups(self._transcribe, self._features.groups, windows)

    def _transcribe(self, windows: Sequence[SpeechWindow]) -> list[Hypothesis]:
        with torch.inference_mode():
            batch = self._features.batch([window.samples for window in windows])
            logits = self._model(**batch.inputs).logits
            best = logits.float().log_softmax(-1).max(-1)
            rows = zip(
                windows, best.indices.cpu().numpy(), best.values.cpu().numpy(), batch.frames.tolist(), strict=True
            )
        return [
            read_frames(labels[:frames], log_probabilities[:frames], self._vocabulary, window.duration_s)
            for window, labels, log_probabilities, frames in rows
        ]


def read_frames(
    labels: np.ndarray[tuple[int], np.dtype[np.int64]],
    log_probabilities: np.ndarray[tuple[int], np.dtype[np.float32]],
    vocabulary: FrameVocabulary,
    duration_s: float,
) -> Hypothesis:
    """The hypothesis of one window from the likeliest label of each of its frames, and their log probabilities."""
    blank = labels == vocabulary.blank
    nothing = float(log_probabilities[blank].mean()) if blank.any() else 0.0
    return hypothesis_of(collapse(labels, log_probabilities, vocabulary.blank), vocabulary, duration_s, nothing)
