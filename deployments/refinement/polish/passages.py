"""A transcript in passages that a model works on by themselves, and the words in them that are in doubt."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from deployments.contracts import Segment, Word
from deployments.refinement.polish.context_words import ContextWords
from deployments.refinement.sound_alike import likeness, sound_of, spelling_key

SURE = 0.6
"""A recogniser that gives a word this probability has heard it."""

_PASSAGE_WORDS = 150
_MOST_RUN_WORDS = 3
_LIKE_A_TERM = 0.7
_LEAST_SPELLING = 0.4


@dataclass(frozen=True, slots=True)
class Passage:
    """Consecutive segments in one language; ``first`` is the number of the first in the transcript."""

    first: int
    segments: tuple[Segment, ...]

    @property
    def language(self) -> str:
        """Of all of it."""
        return self.segments[0].language

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def starts(self) -> tuple[int, ...]:
        """The first word of each segment."""
        return tuple(accumulate((len(segment.words) for segment in self.segments[:-1]), initial=0))

    def segment_of(self, word: int) -> int:
        """The number, in the transcript, of the segment that a word of the passage stands in."""
        return self.first + bisect_right(self.starts, word) - 1


def passages_of(segments: Sequence[Segment]) -> list[Passage]:
    """Passages of about a minute of speech. A segment is not cut."""
    runs: list[list[Segment]] = []
    firsts: list[int] = []
    length = 0
    for number, segment in enumerate(segments):
        fits = runs and runs[-1][0].language == segment.language and length + len(segment.words) <= _PASSAGE_WORDS
        if fits:
            runs[-1].append(segment)
        else:
            runs.append([segment])
            firsts.append(number)
            length = 0
        length += len(segment.words)
    return [Passage(first, tuple(run)) for first, run in zip(firsts, runs, strict=True)]


def doubtful_words(passage: Passage, known: ContextWords) -> frozenset[int]:
    """Words that the recogniser was not sure of, and those that sound like a term without being it."""
    words = passage.words
    unsure = {at for at, word in enumerate(words) if word.confidence < SURE and spelling_key(word.text)}
    return frozenset(at for at in unsure | _like_terms(passage, known) if not words[at].boosted)


def _like_terms(passage: Passage, known: ContextWords) -> set[int]:
    """The words of runs that sound like a term; of runs that overlap, those of the one most like its term."""
    runs = _runs(passage)
    taken: set[int] = set()
    found: set[int] = set()
    for alike, key in sorted(_likenesses(list(runs), list(known.terms)), reverse=True):
        for run in runs[key]:
            if taken.isdisjoint(run):
                taken.update(run)
                found.update(run if alike < 1 else ())
    return found


def _runs(passage: Passage) -> dict[str, list[range]]:
    """Where each spelling key of a few words was heard, inside one segment."""
    runs: dict[str, list[range]] = {}
    bounds = [*passage.starts, len(passage.words)]
    keys = [spelling_key(word.text) for word in passage.words]
    for first, end in pairwise(bounds):
        for start in range(first, end):
            for stop in range(start + 1, min(start + _MOST_RUN_WORDS, end) + 1):
                runs.setdefault(" ".join(keys[start:stop]), []).append(range(start, stop))
    return runs


def _likenesses(heard: Sequence[str], terms: Sequence[str]) -> Iterator[tuple[float, str]]:
    """Keys that are like a term, and how much; 1 for the term itself."""
    if not heard or not terms:
        return
    # All pairs at once in compiled code; only what is spelled a little alike is listened to.
    spellings = cdist(
        heard, terms, scorer=Levenshtein.normalized_similarity, score_cutoff=_LEAST_SPELLING, dtype=np.float32
    )
    for row, column in np.argwhere(spellings).tolist():
        key, term = heard[row], terms[column]
        alike = likeness(term, key, float(spellings[row, column]), sound_of(term), sound_of(key))
        if alike >= _LIKE_A_TERM:
            yield alike, key
