"""Names in what a caller tells of a recording."""

from __future__ import annotations

import re

# Capitals, and not only because a sentence begins.
_NAME = r"[^\W\d_]*[A-Z\u00c0-\u00de\u0400-\u042f][\w'’-]*"
_NAMES = re.compile(rf"\b{_NAME}(?: {_NAME})*")
_SENTENCE_START = re.compile(r"(?:^|[.!?:\n])\s*[\"'(“„]?$")
_LEAST_CHARACTERS = 4


def names_in(text: str) -> tuple[str, ...]:
    """Words with capitals inside a sentence: runs of them, and each by itself; each once, without short ones."""
    names: dict[str, None] = {}
    for found in _NAMES.finditer(text):
        words = found.group().split()
        if _SENTENCE_START.search(text[: found.start()]) and not any(character.isupper() for character in words[0][1:]):
            words = words[1:]
        names |= dict.fromkeys([" ".join(words), *words])
    return tuple(name for name in names if len(name) >= _LEAST_CHARACTERS)
