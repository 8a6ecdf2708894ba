"""Numbers that were found in text, and what those mean that stand together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployments.contracts import Word
from deployments.refinement.merging import is_parted
from deployments.refinement.rewording import without_marks


@dataclass(frozen=True, slots=True)
class Number:
    """Words start to end (exclusive) as a number: ``text`` is how it is written."""

    start: int
    end: int
    text: str
    value: float
    is_cardinal: bool


def are_adjacent(words: Sequence[Word], first: Number, second: Number) -> bool:
    """Whether the second follows the first, without a mark or a pause."""
    return first.end == second.start and not is_parted(words[first.end - 1], words[second.start])


def row_length(words: Sequence[Word], numbers: Sequence[Number], at: int) -> int:
    """How many cardinal numbers stand together, one of which this is."""

    def goes_on(first: int, second: int) -> bool:
        pair = numbers[first], numbers[second]
        return pair[0].is_cardinal and pair[1].is_cardinal and are_adjacent(words, *pair)

    first = last = at
    while first > 0 and goes_on(first - 1, first):
        first -= 1
    while last + 1 < len(numbers) and goes_on(last, last + 1):
        last += 1
    return last - first + 1


def with_digits_joined(words: Sequence[Word], numbers: Sequence[Number]) -> list[Number]:
    """With three digits or more that were told one by one as one number, where a zero is among them.

    The parser joins a zero to what follows it alone: "four zero zero two" would be 4 002. Without one, and where they
    end with it, they may be several numbers, or a countdown.
    """
    runs: list[list[Number]] = []
    for number in numbers:
        before = runs[-1][-1] if runs else None
        if before and _tells_digits(before) and _tells_digits(number) and are_adjacent(words, before, number):
            runs[-1].append(number)
        else:
            runs.append([number])
    joined: list[Number] = []
    for run in runs:
        text = "".join(number.text for number in run)
        if len(run) > 1 and len(text) > 2 and "0" in text[:-1]:
            joined.append(Number(run[0].start, run[-1].end, text, float(text), True))
        else:
            joined += run
    return joined


def _tells_digits(number: Number) -> bool:
    """Whether each word was a digit; behind a zero the parser takes no other way of telling a number."""
    return number.is_cardinal and number.text.isdecimal() and (len(number.text) == 1 or number.text[0] == "0")


def without_bare_decimals(
    words: Sequence[Word], numbers: Sequence[Number], percents: Mapping[int, int]
) -> list[Number]:
    """Without percentages behind a "point" before which nothing stands: of "a point two percent rise" 2% is wrong."""
    kept: list[Number] = []
    for at, number in enumerate(numbers):
        kept.append(number)
        if number.end not in percents:
            continue
        first = at
        while first > 0 and are_adjacent(words, numbers[first - 1], numbers[first]):
            first -= 1
        point, start = numbers[first].start - 1, numbers[first].start
        if (
            point >= 0
            and without_marks(words[point].text).lower() == "point"
            and not is_parted(*words[point : start + 1])
        ):
            del kept[first - at - 1 :]
    return kept
