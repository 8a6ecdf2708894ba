"""A caller's terms made ready for matching, and how alike a run of words has to be to become one.

    bar = 0.62 + 0.25 * max(confidence, 0.45) + 0.03 * max(7 - letters, 0) - 0.03 * log2(weight / 1.5)

and is never over 0.97. A word that the recogniser was sure of has to be closer, and so has a word for a short term:
there is no dictionary that says which words are common, but of a common word the recogniser is usually sure. At the
default weight a sure word takes a term of four letters only if it is spelled so. A weight of 10 lowers the bar by 0.08;
no weight raises it by more than 0.03.

The numbers were chosen on 159 recordings of English (3714 words) recognised by Moonshine tiny, with
36 terms that are spoken in them, of which 53 occurrences were misheard, and 20 that are not:

    weight   runs replaced   rightly   misheard terms put right   WER of the 41 clips with a term (before: 15.0 %)
    1.5      21              21        20                         13.7 %
    10       31              24        23                         13.6 %

173 names and products that nobody speaks of there, many of them short or like common words (Ian, Will, Docker), were
given thirty at a time to see what is taken wrongly: 3 words at weight 1.5 ("modern" became "Moderna"), 25 at weight 10.
They were looked at while the numbers were chosen, too; none of this is a test on unseen recordings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deployments.contracts import Vocabulary, VocabularyTerm
from deployments.refinement.sound_alike import Sound, sound_of, spelling_key, spoken_words
from deployments.text_joining import is_unspaced

# "Apomorphine" may be heard as "a poor morphine".
_EXTRA_WORDS = 2
_MOST_WORDS = 8

_BASE_BAR = 0.62
_CONFIDENCE_BAR = 0.25
# A recogniser that knows less than this says nothing for the term: anything may have been said.
_LEAST_CONFIDENCE = 0.45
_BAR_PER_MISSING_LETTER = 0.03
_LETTERS_WITHOUT_PENALTY = 7
_DEFAULT_WEIGHT = 1.5
_BAR_PER_DOUBLED_WEIGHT = 0.03
_MOST_DOUBLINGS = math.log2(10 / 1.5)
_MOST_HALVINGS = 1.0
# Above it only the term itself, whatever the confidence.
_HIGHEST_BAR = 0.97


@dataclass(frozen=True, slots=True)
class Term:
    """A term made ready: keys are its spellings, as written and as spoken."""

    words: tuple[str, ...]
    keys: tuple[str, ...]
    sound: Sound | None
    most_words: int
    letters: int
    weight: float


def made_ready(vocabulary: Vocabulary) -> tuple[Term, ...]:
    """Its terms, without those that have no letter or digit: nobody can be heard to say them.

    Takes 8 us of one core for a short term, 43 us for one of a hundred characters, and 0.4 to 0.6 KiB each.
    """
    terms = map(_made_ready, vocabulary.terms)
    return tuple(term for term in terms if term is not None)


def _made_ready(given: VocabularyTerm) -> Term | None:
    spoken = spoken_words(given.text)
    keys = tuple(dict.fromkeys((spelling_key(given.text), spelling_key(spoken))))
    if not keys[0]:
        return None
    # Letters that are said one by one, and scripts whose every letter may come as a word of its own.
    said = sum(len(word) if word.isupper() or is_unspaced(word) else 1 for word in spoken.split())
    letters = len(keys[0].replace(" ", ""))
    most_words = min(said + _EXTRA_WORDS, _MOST_WORDS)
    return Term(tuple(given.text.split()), keys, sound_of(keys[0]), most_words, letters, given.weight)


def bar(term: Term, confidence: float) -> float:
    """How alike, 0..1, a run heard with this mean confidence has to be to become the term."""
    doublings = math.log2(max(term.weight, 1e-3) / _DEFAULT_WEIGHT)
    least = _BASE_BAR + _CONFIDENCE_BAR * max(confidence, _LEAST_CONFIDENCE)
    least += _BAR_PER_MISSING_LETTER * max(0, _LETTERS_WITHOUT_PENALTY - term.letters)
    least -= _BAR_PER_DOUBLED_WEIGHT * min(max(doublings, -_MOST_HALVINGS), _MOST_DOUBLINGS)
    return min(least, _HIGHEST_BAR)
