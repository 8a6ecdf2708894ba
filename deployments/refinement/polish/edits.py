"""What a model may answer: edits that say which words they are about. Free text is not asked for, nor taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_EDITS = 12
_MOST_LETTERS = 60

ANSWER_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["edits"],
    "properties": {
        "edits": {
            "type": "array",
            "maxItems": MOST_EDITS,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["i", "old", "new"],
                "properties": {
                    "i": {"type": "integer", "minimum": 0},
                    "old": {"type": "string", "minLength": 1, "maxLength": _MOST_LETTERS},
                    "new": {"type": "string", "minLength": 1, "maxLength": _MOST_LETTERS},
                },
            },
        }
    },
}
"""JSON schema of an answer."""


class UnreadableAnswer(ValueError):
    """A model's answer that is none: cut off, refused, or not of ANSWER_SCHEMA."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The words ``old``, which begin at word ``first`` of the passage, are to be ``new``."""

    first: int
    old: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def end(self) -> int:
        """The word behind the last."""
        return self.first + len(self.old)


def read_edits(answer: str) -> tuple[Edit, ...]:
    """The edits of an answer; what stands around its first JSON object (a fence, a greeting) is passed over.

    Raises:
        UnreadableAnswer: it has none of the form of ANSWER_SCHEMA.
    """
    start = answer.find("{")
    if start < 0:
        raise UnreadableAnswer("no JSON object")
    try:
        content, _ = json.JSONDecoder().raw_decode(answer, start)
    except (ValueError, RecursionError):
        raise UnreadableAnswer("no JSON") from None
    edits = content.get("edits") if isinstance(content, dict) else None
    if not isinstance(edits, list) or len(edits) > MOST_EDITS:
        raise UnreadableAnswer("no list of edits, or too long a list")
    return tuple(_edit(each) for each in edits)


def _edit(content: Any) -> Edit:
    if not isinstance(content, dict):
        raise UnreadableAnswer("an edit is no object")
    first, old, new = content.get("i"), content.get("old"), content.get("new")
    # JSON's true is an int to Python.
    if not isinstance(first, int) or isinstance(first, bool) or first < 0:
        raise UnreadableAnswer("an edit has no place")
    if not isinstance(old, str) or not isinstance(new, str) or max(len(old), len(new)) > _MOST_LETTERS:
        raise UnreadableAnswer("an edit has no words, or too many")
    return Edit(first, tuple(old.split()), tuple(new.split()))
