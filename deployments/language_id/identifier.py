"""Speech regions to language spans: evidence, smoothing, merging."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from deployments.contracts import LanguageSpan, Samples, TimeSpan
from deployments.language_id.engine import LanguageEngine, LanguageEvidence
from deployments.language_id.smoothing import Before, SmoothingSettings, smoothed_labels
from deployments.language_id.stretches import StretchSettings, doubtful, joined, whole
from deployments.stopping import ShouldStop


class Identifier:
    """Labels regions with an engine, and lets no short doubt interrupt a language."""

    def __init__(
        self,
        engine: LanguageEngine,
        smoothing: SmoothingSettings,
        stretches: StretchSettings | None = None,
    ) -> None:
        self._engine = engine
        self._smoothing = smoothing
        self._stretches = stretches or StretchSettings()

    def identify(
        self,
        samples: Samples,
        regions: Sequence[TimeSpan],
        should_stop: ShouldStop,
        candidates: frozenset[str],
        before: LanguageSpan | None = None,
    ) -> tuple[LanguageSpan, ...]:
        """One span for each run of regions in one language, from the first region's start to the last one's end.

        The probability is that of the label, averaged over the run's seconds of speech. Candidates are the choice that
        there is, of what the engine knows. ``before`` is what was spoken before the first region, on the same clock: a
        language other than that has to be worth the change.
        """
        if not regions:
            return ()
        heard, evidence = self._evidence(samples, regions, candidates, should_stop)
        labels = smoothed_labels(
            evidence.log_probabilities, heard, self._smoothing, _before(before, evidence.languages)
        )
        edges = [0, *(np.flatnonzero(np.diff(labels)) + 1), len(heard)]
        return tuple(
            LanguageSpan(
                TimeSpan(heard[first].start_s, heard[end - 1].end_s),
                evidence.languages[labels[first]],
                _mean_probability(heard[first:end], evidence.log_probabilities[first:end, labels[first]]),
            )
            for first, end in itertools.pairwise(edges)
        )

    def _evidence(
        self, samples: Samples, regions: Sequence[TimeSpan], candidates: frozenset[str], should_stop: ShouldStop
    ) -> tuple[list[TimeSpan], LanguageEvidence]:
        """What was listened to in order, and the evidence in each: stretches, and regions where those are doubtful."""
        stretches = joined(regions, self._stretches)
        coarse = self._engine.identify(samples, [whole(stretch) for stretch in stretches], candidates, should_stop)
        split = doubtful(stretches, coarse.log_probabilities, self._stretches)
        if not split:
            return [whole(stretch) for stretch in stretches], coarse
        single = [region for at in split for region in stretches[at]]
        fine = self._engine.identify(samples, single, candidates, should_stop)
        kept = sorted(set(range(len(stretches))) - set(split))
        heard = [*(whole(stretches[at]) for at in kept), *single]
        rows = np.concatenate((coarse.log_probabilities[kept], fine.log_probabilities))
        order = sorted(range(len(heard)), key=lambda at: heard[at].start_s)
        return [heard[at] for at in order], LanguageEvidence(coarse.languages, rows[order])


def _before(span: LanguageSpan | None, languages: Sequence[str]) -> Before | None:
    """None, too, where the language is no candidate any more."""
    if span is None or span.language not in languages:
        return None
    return Before(languages.index(span.language), span.span.end_s)


def _mean_probability(heard: Sequence[TimeSpan], log_probabilities: npt.NDArray[np.float64]) -> float:
    seconds = np.array([span.duration_s for span in heard])
    return float(np.average(np.exp(log_probabilities), weights=np.maximum(seconds, 1e-3)))
