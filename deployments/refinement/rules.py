"""What rules alone make of recognised text, in the order in which they build on each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deployments.contracts import RefinementTask, Segment, Vocabulary
from deployments.refinement.addresses import with_addresses
from deployments.refinement.characters import canonical
from deployments.refinement.numerals import with_numerals
from deployments.refinement.punctuation import punctuated, unpunctuated
from deployments.refinement.scripts import in_script_of_language
from deployments.refinement.terms import Term, made_ready
from deployments.refinement.vocabulary import boosted
from deployments.stopping import ShouldStop, never


def refined_by_rules(
    segments: tuple[Segment, ...],
    task: RefinementTask,
    should_stop: ShouldStop = never,
    ready: Callable[[Vocabulary], Sequence[Term]] = made_ready,
) -> tuple[Segment, ...]:
    """Segments with the same times and speakers and better text; one without a word is left out.

    Args:
        segments: as recognised.
        task: what is wanted.
        should_stop: see Raises.
        ready: gives a vocabulary's terms made ready; who refines with one again and again keeps them.

    Raises:
        Cancelled: should_stop turned true.
    """
    segments = canonical(segments)
    if task.script_correction:
        # Before the vocabulary, whose terms are in the script that is wanted.
        segments = in_script_of_language(segments)
    if task.vocabulary.count:
        # Before the punctuation, which puts a capital on a term without one where a sentence begins.
        segments = boosted(segments, ready(task.vocabulary), should_stop)
    if task.numerals:
        segments = with_addresses(with_numerals(segments))
    return punctuated(segments) if task.punctuate else unpunctuated(segments)
