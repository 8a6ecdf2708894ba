"""A language engine that knows what is spoken when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from deployments.contracts import Samples, TimeSpan
from deployments.language_id.engine import LanguageEvidence


class FakeLanguageEngine:
    """Hears in a span the mixture of what is spoken in it, by seconds, renormalised over the candidates.

    ``heard`` are the spans of every call.
    """

    def __init__(self, spoken: Sequence[tuple[TimeSpan, Mapping[str, float]]]) -> None:
        self._spoken = spoken
        self.languages = frozenset().union(*(row for _, row in spoken)) if spoken else frozenset({"en"})
        self.heard: list[tuple[TimeSpan, ...]] = []

    def identify(
        self,
        _samples: Samples,
        regions: Sequence[TimeSpan],
        candidates: frozenset[str],
        _should_stop: Callable[[], bool],
    ) -> LanguageEvidence:
        assert candidates
        assert candidates <= self.languages
        self.heard.append(tuple(regions))
        languages = tuple(sorted(candidates))
        rows = np.array([[max(self._share(region, language), 1e-9) for language in languages] for region in regions])
        return LanguageEvidence(languages, np.log(rows / rows.sum(axis=1, keepdims=True)))

    def _share(self, region: TimeSpan, language: str) -> float:
        return sum(
            max(0.0, min(region.end_s, span.end_s) - max(region.start_s, span.start_s)) * row.get(language, 0.0)
            for span, row in self._spoken
        )
