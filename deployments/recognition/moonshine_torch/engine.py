"""Moonshine on transformers: a checkpoint of any size and language, on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import NoRepeatNGramLogitsProcessor

from deployments.padding import padded
from deployments.recognition.engine import Hypothesis, SpeechWindow
from deployments.recognition.moonshine.alignment import timed_words
from deployments.recognition.moonshine.rules import (
    LOOP_NGRAM,
    MOST_TOKENS_PER_S,
    Attempt,
    most_tokens,
    retry_loops,
    with_a_frame,
)
from deployments.recognition.moonshine_torch.alignment import FrameFits
from deployments.recognition.moonshine_torch.capabilities import moonshine_torch_capabilities
from deployments.recognition.moonshine_torch.decoder import AudioMemory, Head, TextDecoder
from deployments.recognition.moonshine_torch.encoder import encode
from deployments.recognition.spelling import spell_words
from deployments.recognition.torch_checkpoint import compile_layers, load_checkpoint, spelled_pieces, warm_up
from deployments.recognition.written_rows import WrittenRows, WrittenText
from deployments.torch_runtime import TorchSettings, halving, placement_of


@dataclass(frozen=True, slots=True)
class MoonshineTorchSettings:
    """How Moonshine runs on torch.

    Attributes:
        languages: ISO 639-1; a checkpoint has one, and does not say which.
        most_tokens_per_s: what is longer is a loop. The authors give twice as much to scripts other than Latin.
        torch: where it runs. With ``compile``, its encoder's layers are compiled, for any number and length of windows.
    """

    languages: tuple[str, ...] = ("en",)
    most_tokens_per_s: float = MOST_TOKENS_PER_S
    torch: TorchSettings = field(default_factory=TorchSettings)


class MoonshineTorchEngine:
    """Greedy search over a batch of windows. Calls may overlap. Hints make no difference, and drafts are no faster.

    Words are timed as in the embedded profile, by the heads that generation_config.json names as ``alignment_heads``
    (pairs of layer and head, as in Whisper's); without them by all heads of the upper half of the layers.

    Raises:
        EngineUnavailable: torch, the device or a file is missing, or the checkpoint is none of Moonshine.
    """

    def __init__(self, folder: Path, settings: MoonshineTorchSettings) -> None:
        self._placement = placement_of(settings.torch)
        checkpoint = load_checkpoint(folder, {"moonshine": "MoonshineForConditionalGeneration"}, self._placement)
        self._model, self._settings = checkpoint.model, settings
        self._pieces = spelled_pieces(checkpoint.tokenizer, self._model.config.vocab_size)
        config, generation = self._model.config, self._model.generation_config
        self._begin: int = config.decoder_start_token_id
        self._end: int = config.eos_token_id
        self._encoder = self._model.model.encoder
        self._decoder = TextDecoder(self._model, _alignment_heads(generation, config))
        self.capabilities = moonshine_torch_capabilities(settings.languages)
        if settings.torch.compile:
            compile_layers(self._encoder.layers)
            warm_up(self.transcribe, settings.languages[0])

    def transcribe(self, windows: Sequence[SpeechWindow]) -> list[Hypothesis]:
        """Transcribe windows as one batch; each up to longest_window_s, and as if it were alone."""
        return halving(self._transcribe, windows) if windows else []

    def _transcribe(self, windows: Sequence[SpeechWindow]) -> list[Hypothesis]:
        with torch.inference_mode():
            audio = self._heard(windows)

            def again(loops: Sequence[int]) -> list[Attempt]:
                rows = torch.tensor(loops, device=self._placement.device)
                return self._search(audio.rows(rows), [windows[index] for index in loops], LOOP_NGRAM)

            return retry_loops(self._search(audio, windows), again)

    def _heard(self, windows: Sequence[SpeechWindow]) -> AudioMemory:
        audible = [with_a_frame(window.samples) for window in windows]
        lengths = torch.tensor([len(samples) for samples in audible], device=self._placement.device)
        batch = padded(audible, self._placement.device).to(self._placement.dtype)
        return self._decoder.audio_memory(*encode(self._encoder, batch, lengths))

    def _search(
        self, audio: AudioMemory, windows: Sequence[SpeechWindow], no_repeat_ngram: int | None = None
    ) -> list[Attempt]:
        """The likeliest token at each step; where no_repeat_ngram is given, no run of so many is said twice."""
        limits = [most_tokens(window.samples, self._settings.most_tokens_per_s) for window in windows]
        device = self._placement.device
        banned = None if no_repeat_ngram is None else NoRepeatNGramLogitsProcessor(no_repeat_ngram)
        rows, fits = WrittenRows(limits, self._end, device), FrameFits(audio.inside, max(limits))
        text = self._decoder.text_memory(len(windows), max(limits))
        tokens = torch.full((len(windows),), self._begin, device=device)
        while True:
            logits, attention = self._decoder.step(tokens, rows.written, text, audio)
            fits.add(attention, rows.left)
            scores = logits if banned is None else banned(rows.history, logits.clone())
            left = rows.left
            tokens = rows.write(scores.argmax(dim=-1), logits.log_softmax(dim=-1))
            staying = rows.staying()
            if staying is not None:
                fits.settle(left)
                if not len(staying):
                    break
                audio, text, tokens = audio.rows(staying), text.rows(staying), tokens[staying]
        written = rows.texts()
        counts = torch.tensor([len(row.log_probabilities) for row in written], device=device)
        starts = fits.token_starts(counts).cpu().numpy()
        return [
            self._attempt(window, row, first_frames[: len(row.log_probabilities)])
            for window, row, first_frames in zip(windows, written, starts, strict=True)
        ]

    def _attempt(self, window: SpeechWindow, row: WrittenText, starts: npt.NDArray[np.int64]) -> Attempt:
        words = spell_words([self._pieces[token] for token in row.tokens])
        timed = timed_words(words, row.log_probabilities, starts, window.samples)
        return Attempt(Hypothesis(timed, float(np.mean(row.log_probabilities))), ended=row.ended)


def _alignment_heads(generation: Any, config: Any) -> list[Head]:
    named = getattr(generation, "alignment_heads", None)
    if named:
        return [(layer, head) for layer, head in named]
    # Of Moonshine tiny, on 272 words of AMI, the median error of starts is 38 ms with these, 44 with all heads.
    layers: int = config.decoder_num_hidden_layers
    return [(layer, head) for layer in range(layers // 2, layers) for head in range(config.decoder_num_attention_heads)]
