"""Greedy decoding and sampling of a batch, each row with a prefix, a limit and an end of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from deployments.recognition.whisper.decoder import AudioMemory, TextDecoder
from deployments.recognition.whisper.token_rules import TokenRules

# Looking whether rows are done waits for the GPU; a few steps too many cost less.
_STEPS_BETWEEN_LOOKS_ON_GPU = 8


@dataclass(frozen=True, slots=True)
class Prefix:
    """What one row reads before it writes: a prompt, which may be empty, and the task."""

    prompt: tuple[int, ...]
    task: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.task)


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """One row's text.

    Attributes:
        tokens: without prefix and end.
        log_probabilities: of the tokens, and of the end where it came, at temperature 1.
        ended: the model ended the text; otherwise the limit did.
        no_speech_probability: the model's, that nobody speaks.
    """

    tokens: tuple[int, ...]
    log_probabilities: npt.NDArray[np.float32]
    ended: bool
    no_speech_probability: float

    @property
    def mean_log_probability(self) -> float:
        """Over all tokens, the end included."""
        return float(np.mean(self.log_probabilities))


class Search:
    """Writes texts with a decoder. Calls may overlap."""

    def __init__(self, decoder: TextDecoder, rules: TokenRules) -> None:
        self._decoder = decoder
        self._rules = rules

    def decode(
        self, audio: AudioMemory, prefixes: Sequence[Prefix], limits: Sequence[int], temperature: float
    ) -> list[Decoded]:
        """The texts of all rows; limits are in tokens, at least one each, the end included.

        At temperature 0 the likeliest token is taken. Above, tokens are drawn by the Gumbel-max method, with the same
        noise for every row and every call: a row's text does not depend on its neighbours, and repeats.
        """
        run = _Run(self._decoder, self._rules, audio, prefixes, limits)
        noise = _GumbelNoise(self._decoder, temperature)
        hidden = run.read_prefixes()
        for written in range(max(limits)):
            logits = self._decoder.logits(hidden) + (self._rules.later if written else self._rules.at_first)
            scores = logits if temperature == 0 else logits / temperature + noise.draw()
            tokens = run.write(written, scores.argmax(dim=-1), logits)
            if run.is_over(written):
                break
            hidden = run.step(written, tokens)
        return run.texts()


class _GumbelNoise:
    def __init__(self, decoder: TextDecoder, temperature: float) -> None:
        self._generator = torch.Generator(decoder.device).manual_seed(round(1000 * temperature))
        self._noise = torch.empty(decoder.vocabulary_size, device=decoder.device)

    def draw(self) -> Tensor:
        """Independent standard Gumbel values [vocabulary]."""
        return -self._noise.exponential_(generator=self._generator).log()


class _Run:
    """The state of one decoding. Rows that are done leave once they are half of those left."""

    def __init__(
        self,
        decoder: TextDecoder,
        rules: TokenRules,
        audio: AudioMemory,
        prefixes: Sequence[Prefix],
        limits: Sequence[int],
    ) -> None:
        device, rows = decoder.device, len(prefixes)
        self._decoder, self._rules, self._audio = decoder, rules, audio
        self._length = max(len(prefix) for prefix in prefixes)
        self._task_length = len(prefixes[0].task)
        pads = [self._length - len(prefix) for prefix in prefixes]
        padded = [
            [rules.end_token] * pad + [*prefix.prompt, *prefix.task] for pad, prefix in zip(pads, prefixes, strict=True)
        ]
        self._prefixes = torch.tensor(padded, device=device)
        self._padding = torch.tensor(pads, device=device)
        self._limits = torch.tensor(limits, device=device)
        self._text = decoder.text_memory(rows, self._length + max(limits))
        # Which row of the batch each row that is left was.
        self._origin = torch.arange(rows, device=device)
        self._done = torch.zeros(rows, dtype=torch.bool, device=device)
        self._tokens = torch.full((rows, max(limits)), rules.end_token, device=device)
        self._log_probabilities = torch.zeros((rows, max(limits)), device=device)
        self._no_speech = torch.zeros(rows, device=device)
        self._all_limits = limits
        self._steps_between_looks = 1 if device.type == "cpu" else _STEPS_BETWEEN_LOOKS_ON_GPU

    def read_prefixes(self) -> Tensor:
        """Hidden states [rows, width] that predict the first token."""
        hidden = self._decoder.read(self._prefixes, self._padding, self._text, self._audio)
        # The no-speech token is trained at the place where the language would follow.
        at_start = self._decoder.logits(hidden[:, -self._task_length])
        self._no_speech = at_start.softmax(dim=-1)[:, self._rules.no_speech_token]
        return hidden[:, -1]

    def write(self, written: int, chosen: Tensor, logits: Tensor) -> Tensor:
        """Keep the tokens chosen [rows] and their log-probabilities; the tokens that count."""
        tokens = torch.where(self._done, self._rules.end_token, chosen)
        kept = logits.gather(-1, tokens[:, None])[:, 0] - logits.logsumexp(dim=-1)
        self._tokens[self._origin, written] = tokens
        self._log_probabilities[self._origin, written] = kept
        self._done = self._done | (tokens == self._rules.end_token) | (self._limits <= written + 1)
        return tokens

    def is_over(self, written: int) -> bool:
        """Whether all rows are done."""
        return written % self._steps_between_looks == 0 and bool(self._done.all())

    def step(self, written: int, tokens: Tensor) -> Tensor:
        """Read the tokens; the hidden states [rows left, width] that predict the next."""
        if written % self._steps_between_looks == 0:
            tokens = self._leave(tokens)
        return self._decoder.step(tokens, self._length + written, self._padding, self._text, self._audio)

    def _leave(self, tokens: Tensor) -> Tensor:
        left = torch.nonzero(~self._done)[:, 0]
        if 2 * len(left) > len(self._done):
            return tokens
        self._audio, self._text = self._audio.rows(left), self._text.rows(left)
        self._origin, self._padding, self._limits = self._origin[left], self._padding[left], self._limits[left]
        self._done = self._done[left]
        return tokens[left]

    def texts(self) -> list[Decoded]:
        """What was written, one text for each row of the batch."""
        tokens, probabilities = self._tokens.cpu().numpy(), self._log_probabilities.cpu().numpy()
        no_speech = self._no_speech.cpu().numpy()
        texts = []
        for row, limit in enumerate(self._all_limits):
            ends = np.flatnonzero(tokens[row, :limit] == self._rules.end_token)
            length = int(ends[0]) if len(ends) else limit
            texts.append(
                Decoded(
                    tokens=tuple(tokens[row, :length].tolist()),
                    log_probabilities=probabilities[row, : min(length + 1, limit)].copy(),
                    ended=len(ends) > 0,
                    no_speech_probability=float(no_speech[row]),
                )
            )
        return texts
