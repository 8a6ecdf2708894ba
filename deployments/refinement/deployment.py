"""The Refiner stage."""

from __future__ import annotations

from deployments.contracts import Refined, RefinementTask, Segment
from deployments.offload import EngineThreads
from deployments.refinement.punctuation import punctuated, unpunctuated
from deployments.refinement.vocabulary import boosted


class Refiner:
    """Makes recognised segments read well."""

    def __init__(self) -> None:
        self._threads = EngineThreads(1)

    async def refine(self, segments: tuple[Segment, ...], task: RefinementTask) -> Refined:
        """Segments with the same times and speakers and better text."""
        if task.vocabulary:
            # Before the punctuation, which puts a capital on a term without one where a sentence begins.
            segments = await self._threads.run(lambda should_stop: boosted(segments, task.vocabulary, should_stop))
        return Refined(punctuated(segments) if task.punctuate else unpunctuated(segments))
