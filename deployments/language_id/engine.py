"""What a language identification engine promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from deployments.contracts import Samples, TimeSpan
from deployments.stopping import ShouldStop


@dataclass(frozen=True, slots=True, eq=False)
class LanguageEvidence:
    """How likely each region is each language.

    ``log_probabilities`` is [regions, languages]: the natural logarithm, and the probabilities of a row sum to one. For
    the same candidates, ``languages`` are the same in every answer.
    """

    languages: tuple[str, ...]
    log_probabilities: npt.NDArray[np.float64]


class LanguageEngine(Protocol):
    """Tells languages apart."""

    languages: frozenset[str]

    def identify(
        self,
        samples: Samples,
        regions: Sequence[TimeSpan],
        candidates: frozenset[str],
        should_stop: ShouldStop,
    ) -> LanguageEvidence:
        """Evidence for each region, restricted to candidates (a subset of languages, not empty).

        Several threads may call at once.

        Raises:
            Cancelled: soon after should_stop turned true.
        """
        ...
