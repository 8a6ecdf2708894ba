"""What of a caller's context a word may be changed to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from deployments.contracts import RefinementContext
from deployments.refinement.sound_alike import spelling_key, spoken_words

# A name in running text: capitals, and not only because a sentence begins.
_NAME = r"[^\W\d_]*[A-Z\u00c0-\u00de\u0400-\u042f][\w'’-]*"
_NAMES = re.compile(rf"\b{_NAME}(?: {_NAME})*")
_SENTENCE_START = re.compile(r"(?:^|[.!?:\n])\s*[\"'(“„]?$")
_LEAST_NAME = 4


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
    given = [*vocabulary, *context.terms, *(name for text in running for name in _names(text))]
    terms: dict[str, str] = {}
    for term in given:
        written = " ".join(term.split())
        for key in (spelling_key(written), spelling_key(spoken_words(written))):
            if key:
                terms.setdefault(key, written)
    words = (word for text in [*running, *given] for word in text.split())
    return ContextWords(terms, frozenset(key for key in map(spelling_key, words) if key))


def _names(text: str) -> list[str]:
    names = []
    for found in _NAMES.finditer(text):
        words = found.group().split()
        if _SENTENCE_START.search(text[: found.start()]) and not any(character.isupper() for character in words[0][1:]):
            words = words[1:]
        names += [" ".join(words), *words]
    return [name for name in names if len(name) >= _LEAST_NAME]
