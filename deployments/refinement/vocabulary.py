"""Vocabulary boosting: words that are likely mishearings of a caller's terms become the terms.

A term is looked for in runs of words of one segment: one speaker, no mark and no pause of over a second in between. A
run becomes the term where their likeness (see sound_alike) reaches the term's bar (see terms). Where runs overlap, the
one furthest over its bar wins.

A run that is spelled like the term but for case is the term: it takes the term's spelling and is marked as boosted, and
has no original, because nothing else was heard.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from deployments.contracts import Segment, Word
from deployments.refinement.merging import is_apart
from deployments.refinement.rewording import divided, mean_confidence, split_marks, without_marks
from deployments.refinement.sound_alike import SOUND_LANGUAGES, join_spelled_out, likeness, sound_of, spelling_key
from deployments.refinement.terms import Term, bar
from deployments.stopping import ShouldStop, never, raise_if_stopped
from deployments.text_joining import joined_words

# Of two spellings less alike than this, no likeness of sound makes a term.
_LEAST_SPELLING = 0.4
# Bounds the memory of a block's spellings to 16 MiB, and the time until a cancelled call ends to a fifth of a second.
_BLOCK_PAIRS = 4_000_000

_POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)


def boosted(segments: Sequence[Segment], terms: Sequence[Term], should_stop: ShouldStop = never) -> tuple[Segment, ...]:
    """Segments in which words that sound like a term are the term; times, speakers and other words stay.

    A replacement covers its run's time and has its mean confidence. A term of several words becomes as many Words: one
    for one where as many were heard, else the run's time is divided by letters and each has the whole run as original.
    Words that are boosted already are left alone, so boosting twice changes nothing more.

    20 000 words (two hours) and 30 terms take 0.3 to 0.6 s of one core, 300 terms 1.2 s.

    Raises:
        Cancelled: should_stop turned true.
    """
    if not terms:
        return tuple(segments)
    found: dict[int, list[_Match]] = defaultdict(list)
    for match in _without_overlaps(_matches(segments, terms, should_stop)):
        found[match.run.segment].append(match)
    return tuple(
        _rewritten(segment, found[index]) if index in found else segment for index, segment in enumerate(segments)
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """Words start to end (exclusive) of a segment; possessive: the last one's 's is not part of the match."""

    segment: int
    start: int
    end: int
    possessive: bool = False


class _Heard(NamedTuple):
    """A spelling key, and whether the language it was heard in has a code for how it sounds."""

    key: str
    has_sound: bool


@dataclass(frozen=True, slots=True)
class _Match:
    run: _Run
    term: Term
    surplus: float


def _matches(segments: Sequence[Segment], terms: Sequence[Term], should_stop: ShouldStop) -> Iterator[_Match]:
    """Every run that may become a term, overlapping ones, too."""
    runs = _runs(segments, max(term.most_words for term in terms))
    for heard, term, alike in _likely(list(runs), terms, should_stop):
        for run in runs[heard]:
            words = segments[run.segment].words[run.start : run.end]
            if len(words) <= term.most_words and alike >= bar(term, mean_confidence(words)):
                yield _Match(run, term, surplus=alike - bar(term, 1.0))


def _likely(
    heard: Sequence[_Heard], terms: Sequence[Term], should_stop: ShouldStop
) -> Iterator[tuple[_Heard, Term, float]]:
    """Keys with the terms that they may be, if the recogniser was unsure of them, and their likeness."""
    spelled = [(key, term) for term in terms for key in term.keys]
    block_runs = max(1, _BLOCK_PAIRS // len(spelled))
    for first in range(0, len(heard), block_runs):
        raise_if_stopped(should_stop)
        block = heard[first : first + block_runs]
        # All pairs at once in compiled code: 20 000 words are some 40 000 distinct runs.
        spellings = cdist(
            [run.key for run in block],
            [key for key, _ in spelled],
            scorer=Levenshtein.normalized_similarity,
            score_cutoff=_LEAST_SPELLING,
            dtype=np.float32,
        )
        for row, column in np.argwhere(spellings).tolist():
            key, term = spelled[column]
            sound = sound_of(block[row].key) if block[row].has_sound else None
            alike = likeness(key, block[row].key, float(spellings[row, column]), term.sound, sound)
            if alike >= bar(term, 0.0):
                yield block[row], term, alike


def _runs(segments: Sequence[Segment], most_words: int) -> dict[_Heard, list[_Run]]:
    """Where each spelling key was heard."""
    runs: dict[_Heard, list[_Run]] = defaultdict(list)
    for index, segment in enumerate(segments):
        has_sound = segment.language in SOUND_LANGUAGES
        join = " ".join if segment.text.isascii() else joined_words
        keys = [spelling_key(word.text) for word in segment.words]
        bare = [spelling_key(_POSSESSIVE.sub("", without_marks(word.text))) for word in segment.words]
        for first, last in _stretches(segment.words):
            for start in range(first, last):
                for end in range(start + 1, min(start + most_words, last) + 1):
                    heard = join_spelled_out(join(keys[start:end]))
                    runs[_Heard(heard, has_sound)].append(_Run(index, start, end))
                    if bare[end - 1] and bare[end - 1] != keys[end - 1]:
                        heard = join_spelled_out(join([*keys[start : end - 1], bare[end - 1]]))
                        runs[_Heard(heard, has_sound)].append(_Run(index, start, end, possessive=True))
    return runs


def _stretches(words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """First and last (exclusive) word of each stretch that a term may lie in."""
    first = 0
    for index, word in enumerate(words):
        if word.boosted or not spelling_key(word.text):
            if first < index:
                yield first, index
            first = index + 1
        elif index > first and _parted(words[index - 1], word):
            yield first, index
            first = index
    if first < len(words):
        yield first, len(words)


def _parted(before: Word, after: Word) -> bool:
    """As merging.is_parted, but letters that were spelled out may have points of their own: A. P. I."""
    _, core, mark = split_marks(before.text)
    return is_apart(before, after) or (bool(mark) and len(core) > 1) or bool(split_marks(after.text)[0])


def _without_overlaps(matches: Iterator[_Match]) -> list[_Match]:
    """The furthest over its term's bar first, so that Rayscribe comes before a Ray in it."""
    taken: set[tuple[int, int]] = set()
    chosen = []
    order = sorted(matches, key=lambda match: (-match.surplus, -match.term.letters, match.run.segment, match.run.start))
    for match in order:
        places = {(match.run.segment, index) for index in range(match.run.start, match.run.end)}
        if taken.isdisjoint(places):
            taken |= places
            chosen.append(match)
    return chosen


def _rewritten(segment: Segment, matches: Sequence[_Match]) -> Segment:
    words: list[Word] = []
    at = 0
    for match in sorted(matches, key=lambda match: match.run.start):
        heard = segment.words[match.run.start : match.run.end]
        words += [*segment.words[at : match.run.start], *_replacement(heard, match)]
        at = match.run.end
    words += segment.words[at:]
    return replace(segment, words=tuple(words), text=joined_words(word.text for word in words))


def _replacement(heard: Sequence[Word], match: _Match) -> list[Word]:
    """The term's words in the place of those heard, with the marks that stood around them."""
    texts = list(match.term.words)
    cores = [without_marks(word.text) for word in heard]
    suffix = ""
    if match.run.possessive:
        suffix = cores[-1][-2:]
        cores[-1] = cores[-1][:-2]
    if len(texts) == len(heard):
        placed = list(heard)
        originals = cores
    else:
        placed = divided(heard, texts)
        originals = [joined_words(word.original or core for word, core in zip(heard, cores, strict=True))] * len(texts)
    as_heard = [
        word.original or (original if _differs(original, text) else None)
        for word, original, text in zip(placed, originals, texts, strict=True)
    ]
    # Marks that a term brings along (Yahoo!) are not doubled.
    before = split_marks(heard[0].text)[0].removesuffix(split_marks(texts[0])[0])
    after = split_marks(heard[-1].text)[2].removeprefix(split_marks(texts[-1])[2])
    texts[0] = before + texts[0]
    texts[-1] += suffix + after
    return [
        replace(word, text=text, boosted=True, original=original)
        for word, text, original in zip(placed, texts, as_heard, strict=True)
    ]


def _differs(heard: str, text: str) -> bool:
    return heard.casefold() != without_marks(text).casefold()
