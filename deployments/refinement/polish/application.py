"""Edits made in the words of a segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deployments.contracts import Segment, Word
from deployments.refinement.polish.edits import Edit
from deployments.refinement.polish.passages import Passage
from deployments.refinement.rewording import divided, split_marks, without_marks
from deployments.text_joining import joined_words


def edited(passage: Passage, edits: Sequence[Edit]) -> tuple[Segment, ...]:
    """The passage's segments with its edits made: in order, apart from each other, and inside one segment each.

    Marks around the words stay, and a capital at the start of them. Words that are as many as before keep their times;
    others divide the time of those heard by letters. Changed words carry what was heard.
    """
    segments = []
    for start, segment in zip(passage.starts, passage.segments, strict=True):
        own = [edit for edit in edits if start <= edit.first < start + len(segment.words)]
        segments.append(_rewritten(segment, start, own) if own else segment)
    return tuple(segments)


def _rewritten(segment: Segment, start: int, edits: Sequence[Edit]) -> Segment:
    words: list[Word] = []
    at = 0
    for edit in edits:
        words += segment.words[at : edit.first - start]
        at = edit.end - start
        words += _replacement(segment.words[edit.first - start : at], edit.new)
    words += segment.words[at:]
    return replace(segment, words=tuple(words), text=joined_words(word.text for word in words))


def _replacement(heard: Sequence[Word], new: Sequence[str]) -> list[Word]:
    first, *others = new
    if without_marks(heard[0].text)[:1].isupper() and first.islower():
        first = first[0].upper() + first[1:]
    if len(new) == len(heard):
        return [_reworded(word, text) for word, text in zip(heard, (first, *others), strict=True)]
    texts = [split_marks(heard[0].text)[0] + first, *others]
    texts[-1] += split_marks(heard[-1].text)[2]
    original = " ".join(_heard(word) for word in heard)
    placed = divided(heard, texts)
    return [replace(word, text=text, original=original) for word, text in zip(placed, texts, strict=True)]


def _reworded(word: Word, text: str) -> Word:
    before, core, after = split_marks(word.text)
    if core == text:
        return word
    # Another way to write the same word is nothing else heard.
    original = word.original if core.casefold() == text.casefold() else _heard(word)
    return replace(word, text=before + text + after, original=original)


def _heard(word: Word) -> str:
    return word.original or without_marks(word.text)
