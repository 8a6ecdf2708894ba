"""Deterministic clean-up of punctuation and casing, word by word, so that times and speakers stay where they are.

The recogniser punctuates by itself; what it cannot know is where its windows were cut. Here the text of a request
becomes one: no stray or doubled marks, a capital after every end of sentence, and an end for the last one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from deployments.contracts import Segment, Word

_ENDS = ".!?…"
_MARKS = _ENDS + ",;:"
_DOUBLED = re.compile(rf"([{re.escape(_MARKS)}])[{re.escape(_MARKS)}]+$")
_CLOSERS = "\"')]}”’"
# Marks inside a word (don't, 3.5, well-known) belong to it, and signs are said aloud.
_OUTER_MARKS = re.compile(r"^[^\w'%$€£°#@&+]+|[^\w'%$€£°#@&+]+$")
_ABBREVIATIONS = frozenset({"mr.", "mrs.", "ms.", "dr.", "st.", "prof.", "vs.", "e.g.", "i.e.", "etc."})


def punctuated(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Segments with clean marks and sentence casing; words that are marks alone join the word before them."""
    refined = []
    starts_sentence = True
    for segment in segments:
        words = []
        for word in _attached(segment.words):
            text = _DOUBLED.sub(lambda marks: _strongest(marks.group()), word.text)
            text = _first_person(text)
            words.append(replace(word, text=_capitalised(text) if starts_sentence else text))
            starts_sentence = ends_sentence(text)
        refined.append(_rebuilt(segment, words))
    return _with_final_stop(refined)


def unpunctuated(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Segments without punctuation marks; casing stays as the recogniser wrote it."""
    refined = []
    for segment in segments:
        words = [replace(word, text=_OUTER_MARKS.sub("", word.text)) for word in segment.words]
        refined.append(_rebuilt(segment, [word for word in words if word.text]))
    return tuple(segment for segment in refined if segment.words)


def ends_sentence(text: str) -> bool:
    """Whether a word ends a sentence: by its mark, unless it is a common abbreviation."""
    return text.rstrip(_CLOSERS).endswith(tuple(_ENDS)) and text.casefold() not in _ABBREVIATIONS


def _attached(words: Sequence[Word]) -> list[Word]:
    attached: list[Word] = []
    for word in words:
        if word.text.strip(_MARKS):
            attached.append(word)
        elif attached:
            before = attached[-1]
            attached[-1] = replace(before, text=before.text.rstrip(_MARKS) + word.text, end_s=word.end_s)
    return attached


def _strongest(marks: str) -> str:
    if set(marks) == {"."}:
        # Three dots and not "…": scorers and search engines know the dots as punctuation, the one sign not always.
        return "..." if len(marks) > 2 else "."
    return next((mark for mark in "?!." if mark in marks), marks[0])


def _first_person(text: str) -> str:
    return "I" + text[1:] if re.match(r"i(?:$|['’.,!?;:])", text) else text


def _capitalised(text: str) -> str:
    at = next((index for index, character in enumerate(text) if character.isalnum()), None)
    # iPhone and eBay keep their own casing.
    if at is None or any(character.isupper() for character in text):
        return text
    capital = text[at].upper()
    # Some letters have no capital of their own: ß would become SS, and ı another letter's I.
    return text[:at] + capital + text[at + 1 :] if capital.lower() == text[at] else text


def _with_final_stop(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    if not segments or not segments[-1].words:
        return tuple(segments)
    *before, last = segments
    final = last.words[-1]
    if ends_sentence(final.text) or final.text.endswith(tuple(_ENDS)):
        return tuple(segments)
    stopped = replace(final, text=final.text.rstrip(_MARKS) + ".")
    return (*before, _rebuilt(last, [*last.words[:-1], stopped]))


def _rebuilt(segment: Segment, words: Sequence[Word]) -> Segment:
    return replace(segment, words=tuple(words), text=" ".join(word.text for word in words))
