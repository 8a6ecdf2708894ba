"""The Refiner stage."""

from __future__ import annotations

import time
from dataclasses import dataclass

from deployments.contracts import Refined, RefinementTask, Segment
from deployments.offload import EngineThreads
from deployments.process_start import prepare_process
from deployments.refinement.fillers import without_fillers
from deployments.refinement.polish.loading import load_polisher
from deployments.refinement.polish.options import LanguageModelOptions
from deployments.refinement.recent import Recent
from deployments.refinement.rules import refined_by_rules
from deployments.refinement.signals import ModelSignals
from deployments.refinement.terms import made_ready
from deployments.signals import SILENT, Signals
from deployments.stage_times import stage_times
from deployments.tracing import inner_span, traced

# Words times terms. So much takes 5 to 12 ms, and a live utterance does not wait behind a recording of two hours.
_INLINE_WORK = 6000
# Of vocabularies, 40 to 60 MiB: those of twenty sessions with 5 000 terms each, or of a thousand with a hundred.
_MOST_READY_TERMS = 100_000


@dataclass(frozen=True, slots=True)
class RefinerConfig:
    """What a Refiner replica is made of. Without a ``language_model`` text is refined by rules alone."""

    language_model: LanguageModelOptions | None = None


class Refiner:
    """Makes recognised segments read well."""

    def __init__(self, config: RefinerConfig, signals: Signals = SILENT) -> None:
        prepare_process()
        self._observe_rules = stage_times(signals, "refinement", "rules")
        self._observe_polish = stage_times(signals, "refinement", "polish")
        self._threads = EngineThreads(1, self._observe_rules)
        # A session comes with the same terms twice a second.
        self._ready = Recent(made_ready, len, _MOST_READY_TERMS)
        language_model = config.language_model
        self._polisher = None if language_model is None else load_polisher(language_model, ModelSignals(signals))

    @traced("refinement")
    async def refine(self, segments: tuple[Segment, ...], task: RefinementTask) -> Refined:
        """Segments with the same times and speakers and better text; with a context, polished as well."""
        if sum(len(segment.words) for segment in segments) * (1 + task.vocabulary.count) <= _INLINE_WORK:
            begun_s = time.monotonic()
            refined = refined_by_rules(segments, task, ready=self._ready)
            self._observe_rules(0.0, time.monotonic() - begun_s)
        else:
            refined = await self._threads.run(
                lambda should_stop: refined_by_rules(segments, task, should_stop, self._ready)
            )
        return await self.polish(refined, task)

    @traced("refinement")
    async def polish(self, segments: tuple[Segment, ...], task: RefinementTask) -> Refined:
        """Segments that were refined by rules, without hesitations, and polished where there is a language model.

        Without a context they stay.
        """
        if task.context is None:
            return Refined(segments)
        segments = without_fillers(segments)
        if self._polisher is None:
            return Refined(segments)
        begun_s = time.monotonic()
        with inner_span("polish"):
            try:
                return await self._polisher.polish(segments, task.context, task.vocabulary, task.polish_timeout_s)
            finally:
                self._observe_polish(0.0, time.monotonic() - begun_s)
