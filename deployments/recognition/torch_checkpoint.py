"""Loads a checkpoint folder in the layout of the Hugging Face hub. Code in the folder is never run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import transformers

from deployments.contracts import SAMPLE_RATE_HZ
from deployments.errors import EngineUnavailable
from deployments.recognition.engine import Hypothesis, SpeechWindow
from deployments.recognition.spelling import WORD_START
from deployments.torch_runtime import Placement
from deployments.torch_weights import read_weights, unreadable_told

Transcribe = Callable[[Sequence[SpeechWindow]], list[Hypothesis]]

_WORD_START = WORD_START.decode()
_BYTE_PIECES = {f"<0x{byte:02X}>": bytes([byte]) for byte in range(256)}


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A transformers model in its place, ready to infer, with its feature extractor and tokenizer."""

    model: Any
    feature_extractor: Any
    tokenizer: Any

    @property
    def model_type(self) -> str:
        """The architecture, as transformers calls it."""
        return str(self.model.config.model_type)


def load_checkpoint(folder: Path, classes: Mapping[str, str], placement: Placement) -> Checkpoint:
    """Load a model and what belongs to it.

    Args:
        folder: with config.json, weights, and the files of the feature extractor and the tokenizer.
        classes: the architectures that the engine runs, and the class of transformers that builds each.
        placement: device and precision.

    Raises:
        EngineUnavailable: a file or weights are missing, or the checkpoint is of another architecture.
    """
    if not (folder / "config.json").is_file():
        raise EngineUnavailable(f"{folder} is no checkpoint: it has no config.json")
    with unreadable_told(folder):
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        if config.model_type not in classes:
            raise EngineUnavailable(
                f"{folder} holds a model of type {config.model_type!r}; this engine runs: {', '.join(classes)}"
            )
        extractor = transformers.AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = read_weights(getattr(transformers, classes[config.model_type]), folder, placement, config=config)
    return Checkpoint(model, extractor, tokenizer)


def compile_layers(layers: Iterable[Any]) -> None:
    """Let torch.compile build kernels for the layers of an encoder, for any length and number of windows.

    Layer by layer: they are alike and share what is built. Around a whole encoder, the lengths that its convolutions
    leave are formulas that the compiler is busy with for minutes (over two of CPU time for two small layers).
    """
    for layer in layers:
        layer.compile(dynamic=True)


def warm_up(transcribe: Transcribe, language: str) -> None:
    """Make torch.compile build its kernels: one window is a case of its own, two lengths are any number of them."""
    first, second = (SpeechWindow(np.zeros(seconds * SAMPLE_RATE_HZ, np.float32), language) for seconds in (1, 2))
    transcribe([first])
    transcribe([first, second])


def spelled_pieces(tokenizer: Any, tokens: int) -> tuple[bytes, ...]:
    """What each of a model's ``tokens`` tokens spells, as spell_words takes it; special tokens spell nothing.

    A character vocabulary has a token between words ("|" in wav2vec2), which becomes WORD_START. One that has capitals
    only says nothing about case, and is spelled in small letters.

    Raises:
        EngineUnavailable: nothing in the vocabulary says where words begin.
    """
    known: list[str | None] = tokenizer.convert_ids_to_tokens(list(range(min(tokens, len(tokenizer)))))
    delimiter = getattr(tokenizer, "word_delimiter_token_id", None)
    special = set(tokenizer.all_special_ids) - {delimiter}
    names = ["" if name is None or token in special else name for token, name in enumerate(known)]
    if delimiter is not None:
        names[delimiter] = _WORD_START
    elif not any(name.startswith(_WORD_START) for name in names):
        raise EngineUnavailable("The tokenizer says nowhere where a word begins: it has neither ▁ nor a word delimiter")
    if not any(map(_has_small_letter, names)):
        names = [name.lower() for name in names]
    return (*(_BYTE_PIECES.get(name, name.encode()) for name in names), *[b""] * (tokens - len(names)))


def _has_small_letter(name: str) -> bool:
    # Some have no capital of their own, as ß, whose capital is written SS: they occur among capitals.
    return any(letter.islower() and len(letter.upper()) == 1 and letter != letter.upper() for letter in name)
