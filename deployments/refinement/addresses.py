"""Addresses of the web and of mail as they are written: "example dot com" is example.com.

Only where the last part is a known ending. A mail address is known by its provider or by a point in the name in front
of the "at": of "look at example dot com" the first two words are no part of one, nor is "the" of "the dot com bubble".
English alone says "dot".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from deployments.contracts import Segment
from deployments.refinement.merging import Merge, is_parted, merged
from deployments.refinement.rewording import without_marks

_LANGUAGE = "en"
# Without those that are English words: "the dot in the middle".
_ENDINGS = frozenset(
    {
        "com",
        "org",
        "net",
        "edu",
        "gov",
        "info",
        "biz",
        "io",
        "ai",
        "dev",
        "app",
        "tv",
        "eu",
        "uk",
        "co",
        "ca",
        "au",
        "nz",
    }
    | {"de", "fr", "es", "nl", "ch", "se", "dk", "fi", "pl", "pt", "ie", "jp", "kr", "cn", "br", "mx", "za"}
)
_MAIL_PROVIDERS = frozenset(
    {"gmail", "googlemail", "outlook", "hotmail", "yahoo", "icloud", "proton", "protonmail", "gmx", "aol", "fastmail"}
)
# Behind these comes a dot-com, or .NET.
_NO_NAMES = frozenset(
    {"a", "an", "the", "this", "that", "these", "those", "every", "each", "any", "some", "no", "another", "first"}
    | {"my", "your", "his", "her", "its", "our", "their"}
    | {"and", "or", "but", "as", "than", "like", "not"}
    | {"in", "on", "of", "for", "from", "to", "by", "with", "without", "about", "into", "during", "after", "before"}
    | {"is", "are", "was", "were", "use", "uses", "used", "using"}
)


def with_addresses(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Segments in which spoken addresses are written as such; everything else stays."""
    return tuple(_with_addresses(segment) if segment.language == _LANGUAGE else segment for segment in segments)


def _with_addresses(segment: Segment) -> Segment:
    said = [without_marks(word.text).lower() for word in segment.words]
    if "dot" not in said:
        return segment
    merges: list[Merge] = []
    taken = 0
    for first, last in _stretches(segment):
        at = max(first, taken)
        while (found := _next_address(said, at, last)) is not None:
            merges.append(found)
            at = taken = found.end
    return merged(segment, merges)


def _stretches(segment: Segment) -> list[tuple[int, int]]:
    """First and last (exclusive) word of each stretch without a mark, a pause or a boosted word."""
    cuts = [
        index + 1
        for index, (before, after) in enumerate(pairwise(segment.words))
        if is_parted(before, after) or before.boosted or after.boosted
    ]
    return list(pairwise([0, *cuts, len(segment.words)]))


def _next_address(said: Sequence[str], first: int, last: int) -> Merge | None:
    for dot in range(first + 1, last - 1):
        if said[dot] != "dot":
            continue
        start, end = _dotted(said, dot, first, last)
        while end > dot + 2 and said[end - 1] not in _ENDINGS:
            end -= 2
        if end < dot + 2 or said[end - 1] not in _ENDINGS or start == dot:
            continue
        text = _written(said[start:end])
        name = _mail_name(said, start, first)
        if name is None:
            return Merge(start, end, text)
        return Merge(name, end, f"{_written(said[name : start - 1])}@{text}")
    return None


def _dotted(said: Sequence[str], dot: int, first: int, last: int) -> tuple[int, int]:
    """Where the parts around a "dot" begin and end, "mail dot example dot com"."""
    start, end = dot, dot + 1
    if _is_name(said[dot - 1]):
        start = dot - 1
        while start - 2 >= first and said[start - 1] == "dot" and _is_name(said[start - 2]):
            start -= 2
    while end < last and _is_part(said[end]) and (end == dot + 1 or said[end - 1] == "dot"):
        end += 2
    return start, min(end - 1, last)


def _mail_name(said: Sequence[str], start: int, first: int) -> int | None:
    """Where the name of a mail address begins whose domain begins at ``start``."""
    if start - 2 < first or said[start - 1] != "at" or not _is_part(said[start - 2]):
        return None
    name = start - 2
    while name - 2 >= first and said[name - 1] == "dot" and _is_part(said[name - 2]):
        name -= 2
    return name if name < start - 2 or said[start] in _MAIL_PROVIDERS else None


def _is_part(said: str) -> bool:
    return said.isascii() and said.replace("-", "").isalnum() and said not in ("dot", "at")


def _is_name(said: str) -> bool:
    """Whether a word may stand in front of a "dot"."""
    return _is_part(said) and said not in _NO_NAMES


def _written(parts: Sequence[str]) -> str:
    return "".join("." if part == "dot" else part for part in parts)
