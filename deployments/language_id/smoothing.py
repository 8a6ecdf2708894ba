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
        least_share: of switch_nats, that a change costs after the longest pause: a recording keeps to few languages.
    """

    switch_nats: float = 4.0
    trusted_s: float = 3.0
    pause_halves_s: float = 4.0
    least_share: float = 0.3


@dataclass(frozen=True, slots=True)
class Before:
    """What was spoken until end_s, before the first region: the index of its language."""

    label: int
    end_s: float


def smoothed_labels(
    log_probabilities: npt.NDArray[np.float64],
    regions: Sequence[TimeSpan],
    settings: SmoothingSettings,
    before: Before | None = None,
) -> npt.NDArray[np.int64]:
    """The best language of each region, by Viterbi search (Viterbi 1967) over all regions.

    Args:
        log_probabilities: [regions, languages].
        regions: sorted.
        settings: the cost of changes.
        before: a first region in another language costs a change; None: it may be in any.

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
    if before is not None:
        cost = _switch_cost(before.end_s, regions[0].start_s, settings)
        score = np.where(np.arange(len(score)) == before.label, score, score - cost)
    for at in range(1, count):
        cost = _switch_cost(regions[at - 1].end_s, regions[at].start_s, settings)
        best = int(np.argmax(score))
        stay = score >= score[best] - cost
        came_from[at] = np.where(stay, np.arange(len(score)), best)
        score = np.where(stay, score, score[best] - cost) + evidence[at]
    labels = np.empty(count, np.int64)
    labels[-1] = np.argmax(score)
    for at in range(count - 1, 0, -1):
        labels[at - 1] = came_from[at, labels[at]]
    return labels


def _switch_cost(end_s: float, next_start_s: float, settings: SmoothingSettings) -> float:
    pause_s = max(0.0, next_start_s - end_s)
    share: float = 0.5 ** (pause_s / settings.pause_halves_s)
    return settings.switch_nats * max(share, settings.least_share)
