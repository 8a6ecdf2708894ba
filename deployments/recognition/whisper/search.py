"""Greedy decoding and sampling of a batch, each row with a prefix, a limit and an end of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deployments.recognition.whisper.decoder import AudioMemory, TextDecoder
from deployments.recognition.whisper.token_rules import TokenRules
from deployments.recognition.written_rows import WrittenRows, WrittenText


@dataclass(frozen=True, slots=True)
class Prefix:
    """What one row reads before it writes: a prompt, which may be empty, and the task."""

    prompt: tuple[int, ...]
    task: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.task)


@dataclass(frozen=True, slots=True, eq=False)
class Decoded(WrittenText):
    """One row's text; no prefix is in its tokens, and its probabilities are those of temperature 1.

    Attributes:
        no_speech_probability: the model's, that nobody speaks.
    """

    no_speech_probability: float

    @property
    def mean_log_probability(self) -> float:
        """Over all tokens, the end included."""
        return float(np.mean(self.log_probabilities))


class Search:
    """Writes texts with a decoder. Calls may overlap.

    Args:
        decoder: of the checkpoint.
        rules: its, for what may be written.
        steps_between_looks: see WrittenRows.
    """

    def __init__(self, decoder: TextDecoder, rules: TokenRules, steps_between_looks: int | None = None) -> None:
        self._decoder = decoder
        self._rules = rules
        self._steps_between_looks = steps_between_looks

    def decode(
        self, audio: AudioMemory, prefixes: Sequence[Prefix], limits: Sequence[int], temperature: float
    ) -> list[Decoded]:
        """The texts of all rows; limits are in tokens, at least one each, the end included.

        At temperature 0 the likeliest token is taken. Above, tokens are drawn by the Gumbel-max method, with the same
        noise for every row and every call: a row's text does not depend on its neighbours, and repeats.
        """
        run = _Run(self._decoder, self._rules, audio, prefixes, max(limits))
        rows = WrittenRows(limits, self._rules.end_token, self._decoder.device, self._steps_between_looks)
        noise = _GumbelNoise(self._decoder, temperature)
        hidden = run.read_prefixes()
        while True:
            logits = self._decoder.logits(hidden) + (self._rules.later if rows.written else self._rules.at_first)
            scores = logits if temperature == 0 else logits / temperature + noise.draw()
            tokens = rows.write(scores.argmax(dim=-1), logits.log_softmax(dim=-1))
            staying = rows.staying()
            if staying is not None:
                if not len(staying):
                    break
                run.keep(staying)
                tokens = tokens[staying]
            hidden = run.step(rows.written, tokens)
        no_speech = run.no_speech.tolist()
        return [
            Decoded(text.tokens, text.log_probabilities, text.ended, probability)
            for text, probability in zip(rows.texts(), no_speech, strict=True)
        ]


class _GumbelNoise:
    def __init__(self, decoder: TextDecoder, temperature: float) -> None:
        self._generator = torch.Generator(decoder.device).manual_seed(round(1000 * temperature))
        self._noise = torch.empty(decoder.vocabulary_size, device=decoder.device)

    def draw(self) -> Tensor:
        """Independent standard Gumbel values [vocabulary]."""
        return -self._noise.exponential_(generator=self._generator).log()


class _Run:
    """The state of one decoding."""

    def __init__(
        self,
        decoder: TextDecoder,
        rules: TokenRules,
        audio: AudioMemory,
        prefixes: Sequence[Prefix],
        longest: int,
    ) -> None:
        self._decoder, self._rules, self._audio = decoder, rules, audio
        self._length = max(len(prefix) for prefix in prefixes)
        self._task_length = len(prefixes[0].task)
        pads = [self._length - len(prefix) for prefix in prefixes]
        padded = [
            [rules.end_token] * pad + [*prefix.prompt, *prefix.task] for pad, prefix in zip(pads, prefixes, strict=True)
        ]
        self._prefixes = torch.tensor(padded, device=decoder.device)
        self._padding = torch.tensor(pads, device=decoder.device)
        self._text = decoder.text_memory(len(prefixes), self._length + longest)
        self.no_speech = torch.zeros(len(prefixes), device=decoder.device)

    def read_prefixes(self) -> Tensor:
        """Hidden states [rows, width] that predict the first token."""
        hidden = self._decoder.read(self._prefixes, self._padding, self._text, self._audio)
        # The no-speech token is trained at the place where the language would follow.
        at_start = self._decoder.logits(hidden[:, -self._task_length])
        self.no_speech = at_start.softmax(dim=-1)[:, self._rules.no_speech_token]
        return hidden[:, -1]

    def step(self, written: int, tokens: Tensor) -> Tensor:
        """Read the tokens written last; the hidden states [rows left, width] that predict the next."""
        return self._decoder.step(tokens, self._length + written - 1, self._padding, self._text, self._audio)

    def keep(self, staying: Tensor) -> None:
        """Go on with those of the rows left alone."""
        self._audio, self._text = self._audio.rows(staying), self._text.rows(staying)
        self._padding = self._padding[staying]
