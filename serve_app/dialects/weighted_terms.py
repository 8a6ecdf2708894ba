"""Terms in one string, as 60db and Smallest Waves take them: ``term`` or ``term:weight``, between commas."""

from __future__ import annotations

import math

from deployments.contracts import VocabularyTerm
from deployments.errors import InvalidParameter


def listed(field: str | None) -> list[str]:
    """Entries between commas, without those that are empty."""
    return [entry.strip() for entry in (field or "").split(",") if entry.strip()]


def weighted_term(entry: str, default: float, most: float = math.inf) -> VocabularyTerm:
    """One entry of ``keywords``.

    Args:
        entry: the weight is behind the last colon; a term may have others.
        default: the weight of a term without one.
        most: the largest weight.

    Raises:
        InvalidParameter: the weight is no finite number above 0, or more than the largest, or has no term.
    """
    text, colon, weight = entry.rpartition(":")
    if not colon:
        return VocabularyTerm(entry, default)
    try:
        number = float(weight)
    except ValueError:
        number = math.nan
    if not (0 < number <= most and math.isfinite(number)):
        limit = "" if math.isinf(most) else f" and at most {most:g}"
        raise InvalidParameter("keywords", f"the weight behind a term must be a number above 0{limit}")
    if not text.strip():
        raise InvalidParameter("keywords", "a weight without a term")
    return VocabularyTerm(text.strip(), number)
