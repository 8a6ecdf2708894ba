"""Keeps labels from flapping: the best path of languages over the regions, where a change must be worth it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deployments.contracts import TimeSpan


@dataclass(frozen=True, slots=True)
class SmoothingSettings:
    """How much evidence a change of language needs.

    Attributes:
        switch_nats: log-likelihood that a change costs; 0 lets every region decide alone.
        trusted_s: a region this long counts in full; a shorter one by its share, because identification on a second
            of speech is little better than a guess.
        pause_halves_s: a pause of this length halves the cost of a change: speakers take turns at pauses.
    """

    switch_nats: float = 4.0
    trusted_s: float = 3.0
    pause_halves_s: float = 4.0


def smoothed_labels(
    log_probabilities: npt.NDArray[np.float64], regions: Sequence[TimeSpan], settings: SmoothingSettings
) -> npt.NDArray[np.int64]:
    """The best language of each region, by Viterbi search (Viterbi 1967) over all regions.

    Args:
        log_probabilities: [regions, languages].
        regions: sorted.
        settings: the cost of changes.

    Returns:
        Indices of languages, [regions].
    """
    count = len(regions)
    if count == 0:
        return np.zeros(0, np.int64)
    trust = np.array([min(1.0, region.duration_s / settings.trusted_s) for region in regions])
    evidence = log_probabilities * trust[:, None]
    came_from = np.zeros(log_probabilities.shape, np.int64)
    score = evidence[0]
    for at in range(1, count):
        pause_s = max(0.0, regions[at].start_s - regions[at - 1].end_s)
        cost = settings.switch_nats * 0.5 ** (pause_s / settings.pause_halves_s)
        best = int(np.argmax(score))
        stay = score >= score[best] - cost
        came_from[at] = np.where(stay, np.arange(len(score)), best)
        score = np.where(stay, score, score[best] - cost) + evidence[at]
    labels = np.empty(count, np.int64)
    labels[-1] = np.argmax(score)
    for at in range(count - 1, 0, -1):
        labels[at - 1] = came_from[at, labels[at]]
    return labels
