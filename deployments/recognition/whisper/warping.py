"""Dynamic time warping (Sakoe & Chiba 1978) of a batch of texts, on the device that has their scores."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def token_starts(score: Tensor, rows: Tensor, frames: Tensor) -> Tensor:
    """First frame of each row of score, non-decreasing, so that the summed score of a text's path is greatest.

    A path starts in the first row and frame, ends in the last ones of its text, and goes on by a frame, a row or both.
    Rows are solved one after the other, their frames and the texts of the batch all at once: the best way to come along
    a row is the running minimum over where to enter it. What lies behind a text's last row and frame touches nothing
    before it.

    Args:
        score: float64 [texts, rows, frames].
        rows: of each text, at least one, [texts].
        frames: of each text, at least one, [texts].

    Returns:
        [texts, rows]; the starts of rows behind a text's last mean nothing.
    """
    along = (-score).cumsum(dim=-1)
    before = pad(along[..., :-1], (1, 0))
    totals = along[:, 0]
    entries, left = [torch.zeros_like(frames[:, None].expand(-1, score.shape[-1]))], []
    for row in range(1, score.shape[1]):
        across = pad(totals[:, :-1], (1, 0), value=torch.inf)
        best = (torch.minimum(totals, across) - before[:, row]).cummin(dim=-1)
        entries.append(best.indices)
        # The frame of the row above from which this row is entered.
        left.append(best.indices - (across <= totals).long().gather(-1, best.indices))
        totals = best.values + along[:, row]
    starts = []
    frame = (frames - 1)[:, None]
    for row in range(score.shape[1] - 1, -1, -1):
        is_inside = (row < rows)[:, None]
        starts.append(entries[row].gather(-1, frame))
        if row:
            frame = torch.where(is_inside, left[row - 1].gather(-1, frame), frame)
    return torch.cat(starts[::-1], dim=-1)
