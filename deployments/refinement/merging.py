"""Several words of a segment that become one, or one that becomes another: times, speakers and what was heard stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deployments.contracts import Segment, Word
from deployments.refinement.rewording import mean_confidence, split_marks, without_marks
from deployments.text_joining import joined_words

_LONGEST_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Merge:
    """Words start to end (exclusive) are one, ``text``, without the marks around it."""

    start: int
    end: int
    text: str


def merged(segment: Segment, merges: Sequence[Merge]) -> Segment:
    """The segment with its merges, which are disjoint and sorted.

    The one word spans the time of its parts, has their mean confidence, the marks around them, and what was heard as
    its ``original``.
    """
    if not merges:
        return segment
    words: list[Word] = []
    at = 0
    for merge in merges:
        words += [*segment.words[at : merge.start], _one(segment.words[merge.start : merge.end], merge.text)]
        at = merge.end
    words += segment.words[at:]
    return replace(segment, words=tuple(words), text=joined_words(word.text for word in words))


def is_parted(before: Word, after: Word) -> bool:
    """Whether two words cannot be parts of one: a mark or a pause of over a second between them, or two speakers."""
    return is_apart(before, after) or bool(split_marks(before.text)[2]) or bool(split_marks(after.text)[0])


def is_apart(before: Word, after: Word) -> bool:
    """Whether a pause of over a second lies between two words, or they are of two speakers."""
    return before.speaker != after.speaker or after.start_s - before.end_s > _LONGEST_PAUSE_S


def _one(heard: Sequence[Word], text: str) -> Word:
    first, last = split_marks(heard[0].text), split_marks(heard[-1].text)
    return replace(
        heard[0],
        text=first[0] + text + last[2],
        end_s=max(word.end_s for word in heard),
        confidence=mean_confidence(heard),
        original=joined_words(word.original or without_marks(word.text) for word in heard),
    )
