"""Word times as deployments.recognition.moonshine.alignment finds them, for a batch, on the device that decodes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from deployments.recognition.moonshine.alignment import LEAST_DEVIATION, SILENCE_SCORE

# Of the attention of a step, before it is worked on: each step by itself would cost as many launches as one layer.
_STEPS_AT_ONCE = 8


class FrameFits:
    """How well the tokens of a batch fit the frames, collected while they are decoded.

    Args:
        inside: which frames are no padding, [rows, frames].
        most_tokens: of a row.
    """

    def __init__(self, inside: Tensor, most_tokens: int) -> None:
        rows, frames = inside.shape
        self._inside = inside
        self._fits = torch.zeros((rows, 1 + most_tokens, frames), device=inside.device)
        # Without a row of its own for it, the silence before the first word would be the first word's.
        self._fits[:, 0] = SILENCE_SCORE
        self._settled = 1
        self._steps: list[Tensor] = []

    def add(self, weights: Tensor, left: Tensor) -> None:
        """Attention of one step [rows left, heads, frames], and which rows those are; settle before others are."""
        self._steps.append(weights)
        if len(self._steps) == _STEPS_AT_ONCE:
            self.settle(left)

    def settle(self, left: Tensor) -> None:
        """Work on the steps that were added."""
        if self._steps:
            fits = frame_fits(torch.stack(self._steps, dim=1), self._inside[left])
            end = self._settled + len(self._steps)
            self._fits[left, self._settled : end] = fits
            self._settled = end
            self._steps = []

    def token_starts(self, counts: Tensor) -> Tensor:
        """First frame of each token, [rows, most tokens], given how many tokens each row has, [rows]."""
        longest = self._settled
        starts = run_starts(self._fits[:, :longest].double(), counts + 1, self._inside.sum(1))
        return starts[:, 1:]


def frame_fits(weights: Tensor, inside: Tensor) -> Tensor:
    """Attention [rows, steps, heads, frames] as one score [rows, steps, frames]; inside is [rows, frames].

    Each head's attention is normalised over the frames first, so that a sharp head does not outvote the others, and
    smoothed by the median of three frames.
    """
    within = inside[:, None, None]
    frames = within.sum(-1, keepdim=True)
    centred = (weights - weights.sum(-1, keepdim=True) / frames) * within
    deviation = (centred.square().sum(-1, keepdim=True) / frames).sqrt()
    normalised = centred / deviation.clamp_min(LEAST_DEVIATION)
    before = torch.cat([normalised[..., :1], normalised[..., :-1]], dim=-1)
    # The last frame is its own neighbour.
    is_last = within & ~pad(within[..., 1:], (0, 1))
    after = torch.where(is_last, normalised, normalised.roll(-1, dims=-1))
    lower, higher = torch.minimum(before, after), torch.maximum(before, after)
    return torch.maximum(lower, torch.minimum(normalised, higher)).mean(dim=2)


def run_starts(score: Tensor, rows: Tensor, frames: Tensor) -> Tensor:
    """Cut frames into one run a row so that the summed score is greatest; ``segment`` for a batch.

    Where there are more rows than frames, the last rows share the last frame.

    Args:
        score: float64 [items, rows, frames]; what lies behind an item's last row and frame touches nothing before it.
        rows: of each item, at least one, [items].
        frames: of each item, at least one, [items].

    Returns:
        [items, rows]; the starts of rows behind an item's last mean nothing.
    """
    sums = score.cumsum(dim=-1)
    before = pad(sums[..., :-1], (1, 0))
    usable = torch.minimum(rows, frames)[:, None]
    best = sums[:, 0]
    entries = [torch.zeros_like(rows[:, None].expand(-1, score.shape[-1]))]
    for row in range(1, score.shape[1]):
        # The row starts at a frame, and so the rows before it end at the one before.
        gain = pad(best[:, :-1], (1, 0), value=-torch.inf) - before[:, row]
        highest = gain.cummax(dim=-1)
        entries.append(highest.indices)
        best = highest.values + sums[:, row]
    last = (frames - 1)[:, None]
    starts, end = [], last
    for row in range(score.shape[1] - 1, -1, -1):
        is_usable = row < usable
        start = entries[row].gather(-1, end)
        starts.append(torch.where(is_usable, start, last))
        end = torch.where(is_usable, (start - 1).clamp_min(0), end)
    return torch.cat(starts[::-1], dim=-1)
