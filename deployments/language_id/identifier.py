"""Speech regions to language spans: evidence, smoothing, merging."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from deployments.contracts import LanguageSpan, Samples, TimeSpan
from deployments.language_id.engine import LanguageEngine
from deployments.language_id.smoothing import SmoothingSettings, smoothed_labels
from deployments.stopping import StopSignal


class Identifier:
    """Labels regions with an engine, and lets no short doubt interrupt a language."""

    def __init__(self, engine: LanguageEngine, settings: SmoothingSettings) -> None:
        self._engine = engine
        self._settings = settings

    def identify(
        self,
        samples: Samples,
        regions: Sequence[TimeSpan],
        should_stop: StopSignal,
        candidates: frozenset[str] | None = None,
    ) -> tuple[LanguageSpan, ...]:
        """One span for each run of regions in one language, from the first region's start to the last one's end.

        The probability is that of the label, averaged over the run's seconds of speech. Candidates narrow the
        choice; None means all that the engine knows.
        """
        if not regions:
            return ()
        evidence = self._engine.identify(samples, regions, candidates or self._engine.languages, should_stop)
        labels = smoothed_labels(evidence.log_probabilities, regions, self._settings)
        edges = [0, *(np.flatnonzero(np.diff(labels)) + 1), len(regions)]
        spans = []
        for first, end in itertools.pairwise(edges):
            seconds = np.array([region.duration_s for region in regions[first:end]])
            probabilities = np.exp(evidence.log_probabilities[first:end, labels[first]])
            spans.append(
                LanguageSpan(
                    TimeSpan(regions[first].start_s, regions[end - 1].end_s),
                    evidence.languages[labels[first]],
                    float(np.average(probabilities, weights=np.maximum(seconds, 1e-3))),
                )
            )
        return tuple(spans)
