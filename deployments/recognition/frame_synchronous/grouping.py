"""Batches out of what is asked for at once: those that may share one, and no larger than the memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ
from deployments.recognition.engine import Hypothesis, SpeechWindow
from deployments.torch_runtime import halving

Transcribe = Callable[[Sequence[SpeechWindow]], list[Hypothesis]]


def transcribe_in_groups(
    run: Transcribe, groups: Callable[[Sequence[int]], list[list[int]]], windows: Sequence[SpeechWindow]
) -> list[Hypothesis]:
    """Run each group of windows as a batch; ``groups`` makes lists of indices out of lengths in samples."""
    hypotheses: dict[int, Hypothesis] = {}
    for group in groups([len(window.samples) for window in windows]) if windows else ():
        hypotheses.update(zip(group, halving(run, [windows[index] for index in group]), strict=True))
    return [hypotheses[index] for index in range(len(windows))]


def warm_up(transcribe: Transcribe, language: str) -> None:
    """Make torch.compile build its kernels: one window is a case of its own, two lengths are any number of them."""
    first, second = (SpeechWindow(np.zeros(seconds * SAMPLE_RATE_HZ, np.float32), language) for seconds in (1, 2))
    transcribe([first])
    transcribe([first, second])
