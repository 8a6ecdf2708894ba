"""Windows of different lengths as one tensor on the device that hears them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from deployments.contracts import Samples


def padded(windows: Sequence[Samples], device: torch.device, samples: int | None = None) -> Tensor:
    """Float32 [windows, samples], silence after the shorter ones; as long as the longest where ``samples`` is None.

    Samples are copied once on the host. For a GPU into page-locked memory, which torch keeps and uses again: the GPU
    fetches them from there by itself, and the host goes on.
    """
    is_gpu = device.type == "cuda"
    length = max(map(len, windows)) if samples is None else samples
    batch = torch.empty((len(windows), length), dtype=torch.float32, pin_memory=is_gpu)
    for row, window in zip(batch.numpy(), windows, strict=True):
        row[: len(window)] = window
        row[len(window) :] = 0.0
    return batch.to(device, non_blocking=is_gpu)
