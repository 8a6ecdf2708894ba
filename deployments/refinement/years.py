"""Years as English says them: "nineteen ninety five" is 1995, "the nineteen sixties" are the 1960s.

Two numbers in a row are not always the halves of one: "twenty thirty guests" are twenty or thirty. What stands around
them tells, and what nobody means by a range: "the nineteen ninety five election".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from deployments.contracts import Word
from deployments.refinement.merging import Merge, is_parted
from deployments.refinement.number_rows import Number, are_adjacent
from deployments.refinement.rewording import without_marks

_CENTURIES = {"seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20}
_DECADES = {
    "hundreds": 0,
    "twenties": 20,
    "thirties": 30,
    "forties": 40,
    "fifties": 50,
    "sixties": 60,
    "seventies": 70,
    "eighties": 80,
    "nineties": 90,
}

_BEFORE_YEARS = frozenset(
    {"in", "since", "by", "of", "from", "to", "until", "till", "before", "after", "during", "around", "year", "born"}
    | {"january", "february", "march", "april", "may", "june"}
    | {"july", "august", "september", "october", "november", "december"}
)
_BEFORE_NAMES = frozenset({"the", "this", "that", "a", "my", "your", "his", "her", "its", "our", "their"})
_COUNTED = frozenset(
    {"year", "years", "month", "months", "week", "weeks", "day", "days", "hour", "hours", "minute", "minutes"}
    | {"second", "seconds", "people", "men", "women", "children", "kids", "guests", "students", "of", "times"}
    | {"dollars", "euros", "pounds", "cents", "percent", "per", "miles", "kilometers", "kilometres", "meters"}
    | {"metres", "feet", "inches", "degrees", "points", "pages"}
)
# From one to about the other: what people mean by it when they count.
_RANGES = frozenset({(18, 19), (18, 20), (19, 20), (20, 21), (20, 25), (20, 30)})
_NO_PLURALS = frozenset({"is", "was", "has", "does", "as", "this", "its", "us", "perhaps", "always"})
# A later half is no minute: "by sixteen thirty" is a time of day.
_FIRST_NO_MINUTE = 60


def decades(words: Sequence[Word]) -> list[Merge]:
    """The decades of a century, in order."""
    found = []
    for index, (before, word) in enumerate(pairwise(words)):
        century = _CENTURIES.get(_core(before))
        decade = _DECADES.get(_core(word))
        if century is None or decade is None or is_parted(before, word) or before.boosted or word.boosted:
            continue
        found.append(Merge(index, index + 2, f"{century}{decade:02}s"))
    return found


def with_years(words: Sequence[Word], numbers: Sequence[Number]) -> list[Number]:
    """The numbers, with two halves of a year as one number, where no third follows."""
    adjacent = partial(are_adjacent, words)
    joined: list[Number] = []
    index = 0
    while index < len(numbers):
        pair = numbers[index : index + 2]
        joins = (
            len(pair) == 2
            and adjacent(*pair)
            and all(half.is_cardinal and half.text.isdecimal() and len(half.text) == 2 for half in pair)
            and _is_year(words, pair[0].start, pair[1].end, (int(pair[0].text), int(pair[1].text)))
            and not (index + 2 < len(numbers) and adjacent(pair[1], numbers[index + 2]))
            and not (index > 0 and adjacent(numbers[index - 1], pair[0]))
        )
        if joins:
            text = pair[0].text + pair[1].text
            joined.append(Number(pair[0].start, pair[1].end, text, float(text), True))
        else:
            joined.append(numbers[index])
        index += 2 if joins else 1
    return joined


def _is_year(words: Sequence[Word], start: int, end: int, halves: tuple[int, int]) -> bool:
    """Whether two numbers that are said as words start to end (exclusive) are the halves of one year."""
    first, second = halves
    if not (13 <= first <= 20 and second >= 10):
        return False
    before = _core(words[start - 1]) if start and not is_parted(words[start - 1], words[start]) else ""
    after = _core(words[end]) if end < len(words) and not is_parted(words[end - 1], words[end]) else ""
    if first < 18:
        return second >= _FIRST_NO_MINUTE and before in _BEFORE_YEARS and after not in _COUNTED
    if halves not in _RANGES:
        return before in _BEFORE_YEARS or after not in _COUNTED
    if after in _COUNTED:
        return False
    if before in _BEFORE_YEARS or before in _BEFORE_NAMES:
        return True
    return second != first + 1 and not (after.endswith("s") and after not in _NO_PLURALS)


def _core(word: Word) -> str:
    return without_marks(word.text).lower()
