"""Batches out of what is asked for at once: those that may share one, and no larger than the memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deployments.recognition.engine import Hypothesis, SpeechWindow
from deployments.recognition.torch_checkpoint import Transcribe
from deployments.torch_runtime import halving


def transcribe_in_groups(
    run: Transcribe, groups: Callable[[Sequence[int]], list[list[int]]], windows: Sequence[SpeechWindow]
) -> list[Hypothesis]:
    """Run each group of windows as a batch; ``groups`` makes lists of indices out of lengths in samples."""
    hypotheses: dict[int, Hypothesis] = {}
    for group in groups([len(window.samples) for window in windows]) if windows else ():
        hypotheses.update(zip(group, halving(run, [windows[index] for index in group]), strict=True))
    return [hypotheses[index] for index in range(len(windows))]
