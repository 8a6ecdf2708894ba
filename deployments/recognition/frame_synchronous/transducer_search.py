"""Greedy search of a transducer, all windows of a batch in step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from deployments.recognition.frame_synchronous.frame_words import FrameToken
from deployments.recognition.written_rows import best_steps_between_looks


@dataclass(frozen=True, slots=True)
class Transduced:
    """What was heard in one window; blank_log_probability is the mean over the steps at which nothing was."""

    tokens: tuple[FrameToken, ...]
    blank_log_probability: float


def greedy_search(
    model: Any, encoded: Tensor, frames: Tensor, steps_between_looks: int | None = None
) -> list[Transduced]:
    """Greedy RNN-T (Graves 2012, arXiv:1211.3711) and TDT (Xu et al. 2023, arXiv:2304.06795) search.

    At each step a window's joint network says a token, or none, and by how many frames to go on. transformers' own
    ``generate`` does the same, but keeps the state of a call in the model, so that calls cannot overlap; gives no
    probabilities; goes on emitting for windows that have ended; lets a token of no duration repeat for ever; and waits
    for the device twice a step.

    Args:
        model: ParakeetForTDT or ParakeetForRNNT.
        encoded: projected output of its encoder, [B, T, D].
        frames: how many of the T belong to each window, [B].
        steps_between_looks: at windows that may be over; None: what is best for the device.
    """
    config, blank = model.config, model.config.blank_token_id
    windows = _Windows(frames, config.max_symbols_per_step, steps_between_looks)
    prediction = _Prediction(model.decoder, torch.full_like(windows.left, blank))
    durations = _durations(config, encoded.device)
    while True:
        staying = windows.staying()
        if staying is not None:
            if not len(staying):
                break
            prediction.keep(staying)
        scores = model.joint(
            encoder_hidden_states=encoded[windows.left, windows.at.clamp(max=encoded.shape[1] - 1)],
            decoder_hidden_states=prediction.output,
        ).float()
        log_probability, token = scores[:, : config.vocab_size].log_softmax(-1).max(-1)
        is_blank = token == blank
        ahead = (
            is_blank.long() if durations is None else durations[is_blank.long(), _likeliest_duration(scores, config)]
        )
        windows.go_on(token, log_probability, ahead)
        # Where asking costs nothing, the network does not run for nothing.
        if windows.steps_between_looks > 1 or not bool(is_blank.all()):
            prediction.read(token, is_blank)
    return windows.transduced(blank)


class _Windows:
    """How far the windows of a batch are, and each step on the way. Those that are over leave once they are half."""

    def __init__(self, frames: Tensor, most_symbols: int, steps_between_looks: int | None) -> None:
        self._frames, self._ends = frames, frames
        self._most_symbols = most_symbols
        self.steps_between_looks = steps_between_looks or best_steps_between_looks(frames.device)
        self.left = torch.arange(len(frames), device=frames.device)
        """Which windows of the batch go on, [windows left]."""
        self.at = torch.zeros_like(self.left)
        """The frame at which each of them is, [windows left]."""
        self._said = torch.zeros_like(self.left)
        self._steps: list[Tensor] = []
        self._log_probabilities: list[Tensor] = []

    def staying(self) -> Tensor | None:
        """The windows left that go on, as indices into those; None: all, as far as is known. Before each step."""
        if len(self._steps) % self.steps_between_looks:
            return None
        going_on = [row for row, goes_on in enumerate((self.at < self._ends).tolist()) if goes_on]
        if 2 * len(going_on) > len(self.left):
            return None
        staying = torch.tensor(going_on, dtype=torch.long, device=self.left.device)
        self.left, self.at, self._said = self.left[staying], self.at[staying], self._said[staying]
        self._ends = self._ends[staying]
        return staying

    def go_on(self, token: Tensor, log_probability: Tensor, ahead: Tensor) -> None:
        """One step of each window left: what was said with which probability, and by how many frames to go on."""
        # As many symbols as may be said at a frame were: on to the next.
        ahead = torch.maximum(ahead, self._said == self._most_symbols - 1)
        self._said = (self._said + 1).masked_fill_(ahead > 0, 0)
        self._steps.append(torch.stack([self.left, token, self.at, ahead]))
        self._log_probabilities.append(log_probability)
        self.at = self.at + ahead

    def transduced(self, blank: int) -> list[Transduced]:
        """What was heard, for each window of the batch."""
        if not self._steps:
            return [Transduced((), 0.0)] * len(self._frames)
        steps, log_probabilities = torch.cat(self._steps, -1), torch.cat(self._log_probabilities)
        return _collect(steps.cpu().numpy(), log_probabilities.cpu().numpy(), self._frames.tolist(), blank)


class _Prediction:
    """The prediction network over what each row has said so far: embedding, LSTM and projection of the checkpoint."""

    def __init__(self, decoder: Any, begin: Tensor) -> None:
        self._decoder = decoder
        output, (self._hidden, self._cell) = decoder.lstm(decoder.embedding(begin[:, None]))
        self.output: Tensor = decoder.decoder_projector(output)[:, 0]
        """[rows, width]"""

    def read(self, token: Tensor, is_blank: Tensor) -> None:
        """One more token of each row [rows]; rows that said nothing [rows] stay as they are."""
        output, (hidden, cell) = self._decoder.lstm(self._decoder.embedding(token[:, None]), (self._hidden, self._cell))
        self._hidden = torch.where(is_blank[:, None], self._hidden, hidden)
        self._cell = torch.where(is_blank[:, None], self._cell, cell)
        self.output = torch.where(is_blank[:, None], self.output, self._decoder.decoder_projector(output)[:, 0])

    def keep(self, rows: Tensor) -> None:
        """Those rows alone."""
        self._hidden, self._cell = self._hidden[:, rows], self._cell[:, rows]
        self.output = self.output[rows]


def _durations(config: Any, device: torch.device) -> Tensor | None:
    """By how many frames to go on, [a token, nothing; index of the duration]: nothing lasts at least one frame.

    None for an RNN-T, which goes on by one frame where nothing is said, and not at all otherwise.
    """
    durations = getattr(config, "durations", None)
    if not durations:
        return None
    return torch.tensor([durations, [max(1, duration) for duration in durations]], device=device)


def _likeliest_duration(scores: Tensor, config: Any) -> Tensor:
    return scores[:, config.vocab_size :].argmax(-1)


def _collect(
    steps: npt.NDArray[np.int64], log_probabilities: npt.NDArray[np.float32], frames: list[int], blank: int
) -> list[Transduced]:
    """Steps [4, N] = (window, token, frame, frames ahead) in order, and their log probabilities [N], by window."""
    transduced = []
    for window, last in enumerate(frames):
        mine = np.flatnonzero((steps[0] == window) & (steps[2] < last))
        is_blank = steps[1, mine] == blank
        nothing, said = log_probabilities[mine[is_blank]], mine[~is_blank]
        tokens = tuple(
            FrameToken(token, frame, min(frame + max(1, ahead), last), log_probability)
            for (_, token, frame, ahead), log_probability in zip(
                steps[:, said].T.tolist(), log_probabilities[said].tolist(), strict=True
            )
        )
        transduced.append(Transduced(tokens, float(nothing.mean()) if len(nothing) else 0.0))
    return transduced
