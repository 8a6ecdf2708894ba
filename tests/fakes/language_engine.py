"""A language engine that answers from a script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from deployments.contracts import Samples, TimeSpan
from deployments.language_id.engine import LanguageEvidence


class FakeLanguageEngine:
    """Gives the probabilities of its script, one row a region, renormalised over the candidates."""

    def __init__(self, script: Sequence[Mapping[str, float]]) -> None:
        self._script = script
        self.languages = frozenset().union(*script) if script else frozenset({"en"})

    def identify(
        self,
        _samples: Samples,
        regions: Sequence[TimeSpan],
        candidates: frozenset[str],
        _should_stop: Callable[[], bool],
    ) -> LanguageEvidence:
        assert len(regions) == len(self._script)
        assert candidates
        assert candidates <= self.languages
        languages = tuple(sorted(candidates))
        rows = np.array([[max(row.get(language, 0.0), 1e-9) for language in languages] for row in self._script])
        return LanguageEvidence(languages, np.log(rows / rows.sum(axis=1, keepdims=True)))
