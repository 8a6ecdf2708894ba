"""How much a caller may tell of a recording: one limit for every dialect, for files and for sessions.

The largest list that a vendor documents is Waves' 10 000 keywords, so that many are taken. They cost, in CPU time of
one core of a server:

    10 000 terms, when a session tells them      ingress 14 to 26 ms   Refiner 0.1 s (of 100 characters each 0.5 s)
    with each of its partial and final texts     ingress 0.01 ms (0.5 ms)   Refiner 6 ms (0.1 s)
    in an hour of a recording                    Refiner 5 s
    a context of 10 000 characters               ingress 3 ms          Refiner 5 ms, with 10 000 terms 0.15 s

A language model reads the first 2 000 characters of a context's text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field

from deployments.contracts import VocabularyTerm
from deployments.errors import InvalidParameter

MOST_TERMS = 10_000
"""Names and terms of one request or session, over all of its parameters; names found in a context are not counted."""

MOST_TERM_CHARACTERS = 100
"""Of one term: a run of eight words is the longest that is compared with one."""

MOST_CONTEXT_CHARACTERS = 10_000
"""Of a context without its terms: text, and the names and values of facts. It bounds the names found in it, too."""

Terms = Annotated[
    tuple[Annotated[str, Field(max_length=MOST_TERM_CHARACTERS)], ...], Field(max_length=MOST_TERMS, fail_fast=True)
]
"""A list of terms in a JSON object or a form. Its first mistake is enough: a message has room for a million."""

LIMIT_NOTE = f"At most {MOST_TERMS}, of at most {MOST_TERM_CHARACTERS} characters each."
"""For the descriptions of parameters that take terms."""


def limited(parameter: str, terms: Iterable[VocabularyTerm], already: int = 0) -> Iterator[VocabularyTerm]:
    """The terms, as long as they may be; ``already`` is how many came by other parameters.

    Raises:
        InvalidParameter: there are too many, or one is too long.
    """
    for count, term in enumerate(terms, already + 1):
        if count > MOST_TERMS:
            raise InvalidParameter(parameter, f"brings more than {MOST_TERMS} terms")
        if len(term.text) > MOST_TERM_CHARACTERS:
            raise InvalidParameter(parameter, f"has a term of more than {MOST_TERM_CHARACTERS} characters")
        yield term
