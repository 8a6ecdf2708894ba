"""Names in what a caller tells of a recording."""

from __future__ import annotations

import re

# Capitals, and not only because a sentence begins.
_NAME = r"[^\W\d_]*[A-Z\u00c0-\u00de\u0400-\u042f][\w'’-]*"
_NAMES = re.compile(rf"\b{_NAME}(?: {_NAME})*")
_SENTENCE_MARKS = ".!?:"
_OPENING_MARKS = "\"'(“„"
_LEAST_CHARACTERS = 4


def names_in(text: str) -> tuple[str, ...]:
    """Words with capitals inside a sentence: runs of them, and each by itself; each once, without short ones."""
    names: dict[str, None] = {}
    for found in _NAMES.finditer(text):
        words = found.group().split()
        if _begins_sentence(text, found.start()) and not any(character.isupper() for character in words[0][1:]):
            words = words[1:]
        names |= dict.fromkeys([" ".join(words), *words])
    return tuple(name for name in names if len(name) >= _LEAST_CHARACTERS)


def _begins_sentence(text: str, at: int) -> bool:
    """Whether the word there is the first of a text, a line or a sentence. Only what stands just before it is read."""
    if at and text[at - 1] in _OPENING_MARKS:
        at -= 1
    while at and text[at - 1].isspace():
        at -= 1
        if text[at] == "\n":
            return True
    return at == 0 or text[at - 1] in _SENTENCE_MARKS
