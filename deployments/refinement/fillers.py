"""Hesitations left out: "um" and "uh" say nothing, and a transcript that is to be polished reads better without.

Only sounds that are no words of the language: "like" and "you know" may mean something, German "er" is he, French
"hein" asks, to err is human, and "mm" behind a figure are millimetres. A sentence that began with one begins with what
follows, in a capital where there was one; a mark that ended a sentence stays with the word before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import regex

from deployments.contracts import Segment, Word
from deployments.refinement.punctuation import capitalised, ends_sentence
from deployments.refinement.rewording import split_marks, without_marks
from deployments.text_joining import joined_words

_FILLERS = {
    "en": r"u+[hm]+|u+h+m+|e+r+m+|h+m+m+|mm+|u+h+",
    "de": r"ä+h+m*|ö+h+m*|h+m+",
    "es": r"e+h+m+|h+m+m+",
    "fr": r"e+u+h+|h+u+m+",
    "it": r"e+h+m+|m+h+",
    "nl": r"u+h+m*|e+h+m*",
    "pt": r"h+u+m+m+|ã+h+|é+h+",
    "hi": r"उम्+|अम्+म*|हम्म+",
}
_PATTERNS = {language: regex.compile(pattern) for language, pattern in _FILLERS.items()}


def without_fillers(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Segments without hesitations; one of nothing else is left out. Times and speakers of other words stay."""
    kept = (_without_fillers(segment) for segment in segments)
    return tuple(segment for segment in kept if segment.words)


def _without_fillers(segment: Segment) -> Segment:
    pattern = _PATTERNS.get(segment.language)
    if pattern is None or not any(_is_filler(word, pattern) for word in segment.words):
        return segment
    words: list[Word] = []
    owes_capital = False
    for word in segment.words:
        if not _is_filler(word, pattern) or (words and _is_unit(words[-1], word)):
            text = capitalised(word.text, segment.language) if owes_capital else word.text
            words.append(replace(word, text=text))
            owes_capital = False
            continue
        owes_capital = owes_capital or without_marks(word.text)[0].isupper()
        if words and ends_sentence(word.text) and not ends_sentence(words[-1].text):
            before = words[-1]
            stem = "".join(split_marks(before.text)[:2])
            words[-1] = replace(before, text=stem + split_marks(word.text)[2])
    return replace(segment, words=tuple(words), text=joined_words(word.text for word in words))


def _is_filler(word: Word, pattern: regex.Pattern[str]) -> bool:
    return not word.boosted and pattern.fullmatch(without_marks(word.text).lower()) is not None


def _is_unit(before: Word, word: Word) -> bool:
    """Whether a word is the "mm" of a length."""
    return without_marks(word.text) == "mm" and before.text[-1].isdecimal()
