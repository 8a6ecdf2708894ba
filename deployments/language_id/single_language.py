"""The engine of a profile whose recogniser speaks one language."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deployments.contracts import Samples, TimeSpan
from deployments.errors import EngineUnavailable
from deployments.language_id.engine import LanguageEvidence
from deployments.stopping import ShouldStop


class SingleLanguage:
    """Knows one language and says so: in such a profile nothing else can be the answer."""

    def __init__(self, languages: frozenset[str]) -> None:
        if len(languages) != 1:
            raise EngineUnavailable(
                f"The single-language engine needs a recogniser of one language; this one has {sorted(languages)}"
            )
        self.languages = languages

    def identify(
        self,
        _samples: Samples,
        regions: Sequence[TimeSpan],
        _candidates: frozenset[str],
        _should_stop: ShouldStop,
    ) -> LanguageEvidence:
        """Certainty, for every region."""
        return LanguageEvidence(tuple(self.languages), np.zeros((len(regions), 1)))
