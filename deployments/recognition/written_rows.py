"""What the rows of a batch write, token by token, on the device where they are decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def best_steps_between_looks(device: torch.device) -> int:
    """After how many steps a search looks whether rows are done.

    For that the host waits for a GPU, which waits in turn for what the host launches next; a few steps too many cost
    less. A CPU waits for nobody, and steps are what costs.
    """
    return 1 if device.type == "cpu" else 8


@dataclass(frozen=True, slots=True, eq=False)
class WrittenText:
    """One row's text.

    Attributes:
        tokens: without the end.
        log_probabilities: of the tokens, and of the end where it came.
        ended: the model ended the text; otherwise the limit did.
    """

    tokens: tuple[int, ...]
    log_probabilities: npt.NDArray[np.float32]
    ended: bool


class WrittenRows:
    """Tokens of the rows of a batch, each with a limit. Rows that are done leave once they are half of those left.

    Args:
        limits: in tokens, at least one each, the end included.
        end_token: after it a row is done.
        device: where the tokens are.
        steps_between_looks: at rows that may be done; None: what is best for the device.
    """

    def __init__(
        self, limits: Sequence[int], end_token: int, device: torch.device, steps_between_looks: int | None = None
    ) -> None:
        rows = len(limits)
        self._all_limits, self._end_token = limits, end_token
        self._limits = torch.tensor(limits, device=device)
        self._done = torch.zeros(rows, dtype=torch.bool, device=device)
        self._tokens = torch.full((rows, max(limits)), end_token, device=device)
        self._log_probabilities = torch.zeros((rows, max(limits)), device=device)
        self._steps_between_looks = steps_between_looks or best_steps_between_looks(device)
        self.left = torch.arange(rows, device=device)
        """Which rows of the batch still write, [rows left]."""
        self.written = 0
        """Tokens of each row so far."""

    @property
    def history(self) -> Tensor:
        """What the rows left wrote so far, [rows left, written]."""
        return self._tokens[self.left, : self.written]

    def write(self, chosen: Tensor, log_probabilities: Tensor) -> Tensor:
        """Keep the tokens chosen [rows left] and their probabilities of all [rows left, vocabulary].

        Returns the tokens to go on with: rows that are done write their end.
        """
        tokens = torch.where(self._done, self._end_token, chosen)
        self._tokens[self.left, self.written] = tokens
        self._log_probabilities[self.left, self.written] = log_probabilities.gather(-1, tokens[:, None])[:, 0]
        self.written += 1
        self._done = self._done | (tokens == self._end_token) | (self._limits <= self.written)
        return tokens

    def staying(self) -> Tensor | None:
        """The rows left that go on, as indices into those; None: all, as far as is known. After each write."""
        if (self.written - 1) % self._steps_between_looks and self.written < len(self._tokens[0]):
            return None
        going_on = [row for row, done in enumerate(self._done.tolist()) if not done]
        if 2 * len(going_on) > len(self._done):
            return None
        staying = torch.tensor(going_on, dtype=torch.long, device=self.left.device)
        self.left, self._limits, self._done = self.left[staying], self._limits[staying], self._done[staying]
        return staying

    def texts(self) -> list[WrittenText]:
        """What was written, one text for each row of the batch."""
        tokens, log_probabilities = self._tokens.cpu().numpy(), self._log_probabilities.cpu().numpy()
        texts = []
        for row, limit in enumerate(self._all_limits):
            ends = np.flatnonzero(tokens[row, :limit] == self._end_token)
            length = int(ends[0]) if len(ends) else limit
            texts.append(
                WrittenText(
                    tokens=tuple(tokens[row, :length].tolist()),
                    log_probabilities=log_probabilities[row, : min(length + 1, limit)].copy(),
                    ended=len(ends) > 0,
                )
            )
        return texts
