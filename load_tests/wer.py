"""Word errors: counted after Whisper's English normalisation, pooled over recordings; with and without speakers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import jiwer
import numpy as np
from scipy.optimize import linear_sum_assignment
from whisper_normalizer.english import EnglishTextNormalizer


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Counts of the cheapest alignment; they add up over recordings."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    reference_words: int = 0

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.reference_words + other.reference_words,
        )

    @property
    def errors(self) -> int:
        """All of them."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def percent(self) -> float | None:
        """Errors per hundred true words; None without true words."""
        return 100 * self.errors / self.reference_words if self.reference_words else None


def normalised(text: str) -> str:
    """Text as Whisper's paper scores it: lower case, no punctuation, digits, no fillers.

    The normaliser leaves a lone full stop behind of an ellipsis ("we have… in" gives "we have . in"); that is no word.
    """
    return " ".join(token for token in _normalizer()(text).split() if any(map(str.isalnum, token)))


def count_word_errors(reference: str, hypothesis: str) -> WordErrors:
    """Errors of a hypothesis, both as they are written."""
    aligned = jiwer.process_words(normalised(reference), normalised(hypothesis))
    return WordErrors(
        aligned.substitutions,
        aligned.deletions,
        aligned.insertions,
        aligned.hits + aligned.substitutions + aligned.deletions,
    )


def count_speaker_attributed_errors(reference: Mapping[str, str], hypothesis: Mapping[str, str]) -> WordErrors:
    """Errors under the best pairing of true and found speakers (cpWER; Watanabe et al. 2020, CHiME-6).

    Args:
        reference: all words of each true speaker.
        hypothesis: all words of each found speaker. A speaker without a partner counts as deleted or inserted.
    """
    references, hypotheses = list(reference.values()), list(hypothesis.values())
    size = max(len(references), len(hypotheses))
    references += [""] * (size - len(references))
    hypotheses += [""] * (size - len(hypotheses))
    pairs = [[count_word_errors(said, heard) for heard in hypotheses] for said in references]
    # The number of errors is a sum over pairs, so the assignment problem finds what a search of permutations would.
    costs = np.array([[pair.errors for pair in row] for row in pairs]).reshape(size, size)
    rows, columns = linear_sum_assignment(costs)
    return sum((pairs[row][column] for row, column in zip(rows, columns, strict=True)), WordErrors())


@cache
def _normalizer() -> EnglishTextNormalizer:
    return EnglishTextNormalizer()
