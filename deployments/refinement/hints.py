"""The terms of a vocabulary that are worth telling a model."""

from __future__ import annotations

from collections.abc import Sequence

from deployments.contracts import VocabularyTerm

MOST_HINTS = 30
"""60db's number: of a longer list a prompt has the first ones; matching by spelling and sound has all."""


def hint_terms(vocabulary: Sequence[VocabularyTerm]) -> tuple[str, ...]:
    """The first MOST_HINTS terms in the caller's order, each once."""
    terms = dict.fromkeys(" ".join(term.text.split()) for term in vocabulary)
    return tuple(term for term in terms if term)[:MOST_HINTS]
