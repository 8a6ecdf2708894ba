"""The Refiner stage."""

from __future__ import annotations

from deployments.contracts import RefinementTask, Segment
from deployments.refinement.punctuation import punctuated, unpunctuated


class Refiner:
    """Makes recognised segments read well."""

    async def refine(self, segments: tuple[Segment, ...], task: RefinementTask) -> tuple[Segment, ...]:
        """Segments with the same times and speakers and better text."""
        return punctuated(segments) if task.punctuate else unpunctuated(segments)
