"""What of a caller's context a word may be changed to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deployments.contracts import RefinementContext
from deployments.refinement.names import names_in
from deployments.refinement.sound_alike import spelling_key, spoken_words


@dataclass(frozen=True, slots=True)
class ContextWords:
    """Spelling keys.

    Attributes:
        terms: names and terms, of several words, too, with the way they are written.
        mentioned: every single word.
    """

    terms: dict[str, str]
    mentioned: frozenset[str]


def context_words(context: RefinementContext, vocabulary: Iterable[str] = ()) -> ContextWords:
    """The words of a context, and of the vocabulary that came with it.

    Its terms are terms, and so are the names in its text and facts: words with capitals inside a sentence.
    """
    running = [*(value for _, value in context.general), context.text]
    given = [*vocabulary, *context.terms, *(name for text in running for name in names_in(text))]
    terms: dict[str, str] = {}
    for term in given:
        written = " ".join(term.split())
        for key in (spelling_key(written), spelling_key(spoken_words(written))):
            if key:
                terms.setdefault(key, written)
    words = (word for text in [*running, *given] for word in text.split())
    return ContextWords(terms, frozenset(key for key in map(spelling_key, words) if key))
