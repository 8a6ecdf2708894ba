"""Moonshine on transformers: a checkpoint of any size and language, on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers.models.moonshine.modeling_moonshine import MoonshineEncoderModelOutput

from deployments.contracts import SAMPLE_RATE_HZ
from deployments.recognition.engine import Hypothesis, SpeechWindow
from deployments.recognition.moonshine.alignment import timed_words
from deployments.recognition.moonshine.rules import (
    LOOP_NGRAM,
    MOST_TOKENS_PER_S,
    has_loop,
    most_tokens,
    with_a_frame,
    without_loop,
)
from deployments.recognition.moonshine_torch.capabilities import moonshine_torch_capabilities
from deployments.recognition.moonshine_torch.cross_attention import CrossAttentionRecorder, Head
from deployments.recognition.moonshine_torch.encoder import encode
from deployments.recognition.spelling import spell_words
from deployments.recognition.torch_checkpoint import compile_layers, load_checkpoint, spelled_pieces
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


@dataclass(frozen=True, slots=True, eq=False)
class _Encoded:
    """Encoder states of a batch, [B, T, D], and the mask of the valid frames, [B, T]."""

    states: torch.Tensor
    mask: torch.Tensor

    def rows(self, chosen: Sequence[int]) -> _Encoded:
        return _Encoded(self.states[chosen], self.mask[chosen])

    def as_output(self) -> Any:
        return MoonshineEncoderModelOutput(last_hidden_state=self.states, attention_mask=self.mask)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """Tokens of one window, without begin and end; has_end where the model itself stopped."""

    tokens: list[int]
    has_end: bool


class MoonshineTorchEngine:
    """Greedy search over a batch of windows. Calls may overlap. Hints make no difference, and drafts are no faster.

    Words are timed as in the embedded profile, by the heads that generation_config.json names as ``alignment_heads``
    (pairs of layer and head, as in Whisper's); without them by all heads, as the authors do.

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
        # The length is bounded by the audio; a length in the file would only be warned about at each call.
        generation.max_length = None
        generation.pad_token_id = self._end
        self._recorder = CrossAttentionRecorder(self._model.model.decoder, _alignment_heads(generation, config))
        self.capabilities = moonshine_torch_capabilities(settings.languages)
        if settings.torch.compile:
            compile_layers(self._model.model.encoder.layers)
            self._warm_up()

    def transcribe(self, windows: Sequence[SpeechWindow]) -> list[Hypothesis]:
        """Transcribe windows as one batch; each up to longest_window_s, and as if it were alone."""
        return halving(self._transcribe, windows) if windows else []

    def _transcribe(self, windows: Sequence[SpeechWindow]) -> list[Hypothesis]:
        with torch.inference_mode():
            encoded = self._encoded(windows)
            hypotheses = self._search(encoded, windows)
            loops = [index for index, hypothesis in enumerate(hypotheses) if has_loop(hypothesis)]
            if loops:
                looped = [windows[index] for index in loops]
                again = self._search(encoded.rows(loops), looped, no_repeat_ngram_size=LOOP_NGRAM)
                for index, hypothesis in zip(loops, again, strict=True):
                    hypotheses[index] = without_loop(hypothesis)
        return hypotheses

    def _encoded(self, windows: Sequence[SpeechWindow]) -> _Encoded:
        audible = [with_a_frame(window.samples) for window in windows]
        padded = np.zeros((len(audible), max(map(len, audible))), np.float32)
        for row, samples in zip(padded, audible, strict=True):
            row[: len(samples)] = samples
        lengths = torch.tensor([len(samples) for samples in audible], device=self._placement.device)
        batch = torch.from_numpy(padded).to(self._placement.device, self._placement.dtype)
        return _Encoded(*encode(self._model.model.encoder, batch, lengths))

    def _search(
        self, encoded: _Encoded, windows: Sequence[SpeechWindow], no_repeat_ngram_size: int = 0
    ) -> list[Hypothesis]:
        limits = [most_tokens(window.samples, self._settings.most_tokens_per_s) for window in windows]
        sequences = self._model.generate(
            encoder_outputs=encoded.as_output(),
            attention_mask=encoded.mask,  # only so that transformers does not warn that it is missing
            max_new_tokens=max(limits),
            num_beams=1,
            do_sample=False,
            no_repeat_ngram_size=no_repeat_ngram_size,
        )
        # Each sequence begins with the begin token.
        decoded = [self._decoded(tokens[1:], limit) for tokens, limit in zip(sequences.tolist(), limits, strict=True)]
        return self._hypotheses(encoded, windows, decoded)

    def _decoded(self, tokens: list[int], limit: int) -> _Decoded:
        has_end = self._end in tokens[: limit + 1]
        return _Decoded(tokens[: tokens.index(self._end)] if has_end else tokens[:limit], has_end)

    def _hypotheses(
        self, encoded: _Encoded, windows: Sequence[SpeechWindow], decoded: Sequence[_Decoded]
    ) -> list[Hypothesis]:
        """One more pass of the decoder, over all tokens at once, tells their probabilities and where they are."""
        longest = max(len(row.tokens) for row in decoded)
        inputs = [[self._begin, *row.tokens, *[self._end] * (longest - len(row.tokens))] for row in decoded]
        with self._recorder.recording(encoded.mask) as recording:
            states = self._model.model(
                decoder_input_ids=torch.tensor(inputs, device=encoded.mask.device),
                encoder_outputs=encoded.as_output(),
                use_cache=False,
            ).last_hidden_state
        attention, frames = recording.attention(), encoded.mask.sum(1).tolist()
        return [
            self._hypothesis(
                window, row, self._log_probabilities(states[at], row), attention[at, :, :, : frames[at]].cpu().numpy()
            )
            for at, (window, row) in enumerate(zip(windows, decoded, strict=True))
        ]

    def _log_probabilities(self, states: torch.Tensor, row: _Decoded) -> npt.NDArray[np.float32]:
        """Of the tokens, and of the end where there is one; one row at a time: [tokens, vocabulary] is large."""
        targets = torch.tensor([*row.tokens, *[self._end] * row.has_end], device=states.device)
        scores = self._model.proj_out(states[: len(targets)]).float().log_softmax(-1)
        chosen: npt.NDArray[np.float32] = scores.gather(1, targets[:, None])[:, 0].cpu().numpy()
        return chosen

    def _hypothesis(
        self,
        window: SpeechWindow,
        row: _Decoded,
        log_probabilities: npt.NDArray[np.float32],
        attention: npt.NDArray[np.float32],
    ) -> Hypothesis:
        words = timed_words(
            spell_words([self._pieces[token] for token in row.tokens]),
            log_probabilities,
            attention[:, : len(log_probabilities)],
            window.duration_s,
        )
        return Hypothesis(words, float(np.mean(log_probabilities)))

    def _warm_up(self) -> None:
        """One window is a case of its own for torch.compile; two lengths are any number of them."""
        first, second = (
            SpeechWindow(np.zeros(seconds * SAMPLE_RATE_HZ, np.float32), self._settings.languages[0])
            for seconds in (1, 2)
        )
        self.transcribe([first])
        self.transcribe([first, second])


def _alignment_heads(generation: Any, config: Any) -> list[Head]:
    named = getattr(generation, "alignment_heads", None)
    if named:
        return [(layer, head) for layer, head in named]
    return [
        (layer, head)
        for layer in range(config.decoder_num_hidden_layers)
        for head in range(config.decoder_num_attention_heads)
    ]
