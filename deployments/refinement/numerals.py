"""Inverse text normalisation of numbers: "twenty five percent" is written 25%, "२५" is written 25.

Numbers are found by text2num (Allo-Media), a parser of eight European languages, and in Hindi by hindi_numbers. Those
under ten on their own stay words, as people write them, and as they are often no numbers ("one of them"). In Hindi two
of them in a row do as well: "दो तीन लोग" are two or three people. What is added here:

* Years of English, which come in two halves, and its decades: see years.
* Digits told one by one with zeros among them are one number: "four zero zero two" is 4002.
* What counts nothing stays: "hundreds of thousands", "ein paar tausend".
* Whole millions and more keep the word, as people write them: "5 million".
* Words that have digits already are left to the recogniser: next to one no number is begun ("25 hundred").

Digits of other scripts become ASCII ones in every language: of the Unicode category Nd, so that letters that stand for
numbers stay. Every word that changes has what was heard as its ``original``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise

from text_to_num import Occurence
from text_to_num import find_numbers as find_european_numbers

from deployments.contracts import Segment, Word
from deployments.refinement import hindi_numbers
from deployments.refinement.merging import Merge, is_parted, merged
from deployments.refinement.number_rows import Number, row_length, with_digits_joined, without_bare_decimals
from deployments.refinement.rewording import without_marks
from deployments.refinement.years import decades, with_years

_HINDI = "hi"
LANGUAGES = frozenset({"da", "de", "en", "es", "fr", "it", "nl", "pt", _HINDI})
"""Whose number words are known (ISO 639-1)."""

_LARGEST_ALONE_AS_WORD = 9
_MILLION = 1_000_000
_PERCENT = {
    "da": (("procent",),),
    "de": (("prozent",),),
    "en": (("percent",), ("per", "cent")),
    "es": (("por", "ciento"),),
    "fr": (("pour", "cent"),),
    _HINDI: (("प्रतिशत",), ("फ़ीसदी",), ("फीसदी",), ("परसेंट",)),
    "it": (("per", "cento"), ("percento",)),
    "nl": (("procent",),),
    "pt": (("por", "cento"),),
}
# Plurals that the parser takes for numbers.
_PLURALS = {
    "en": frozenset({"tens", "dozens", "hundreds", "thousands", "millions", "billions", "trillions"}),
    "es": frozenset({"cientos", "miles"}),
}
# Behind which a hundred or a thousand is no number. In English it is none without "a" or a number.
_SOME = {
    "da": frozenset({"par", "nogle", "flere"}),
    "de": frozenset({"paar", "einige", "mehrere", "etliche", "viele"}),
    "fr": frozenset({"quelques", "plusieurs"}),
    "nl": frozenset({"paar", "enkele", "meerdere"}),
}
_ROUND = frozenset({100, 1000, 10_000, 100_000})


def with_numerals(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Segments in which numbers are written in ASCII digits; everything else stays."""
    return tuple(_with_numbers(_with_ascii_digits(segment)) for segment in segments)


class _Spoken:
    """A word, as the parser wants it: its protocol Token."""

    def __init__(self, words: Sequence[Word], index: int, is_number_part: bool) -> None:
        self._core = without_marks(words[index].text).lower()
        self._is_parted = index > 0 and is_parted(words[index - 1], words[index])
        self._is_number_part = is_number_part

    def text(self) -> str:
        return self._core

    def nt_separated(self, previous: hindi_numbers.Token) -> bool:  # noqa: ARG002  # it is always the word before
        return self._is_parted

    def not_a_number_part(self) -> bool:
        return not self._is_number_part


def _with_ascii_digits(segment: Segment) -> Segment:
    if segment.text.isascii():
        return segment
    cores = [without_marks(word.text) for word in segment.words]
    ascii_cores = ["".join(map(_ascii_digit, core)) for core in cores]
    changes = [
        Merge(index, index + 1, text)
        for index, (core, text) in enumerate(zip(cores, ascii_cores, strict=True))
        if core != text
    ]
    return merged(segment, changes)


def _ascii_digit(character: str) -> str:
    return str(unicodedata.decimal(character)) if unicodedata.category(character) == "Nd" else character


def _with_numbers(segment: Segment) -> Segment:
    if segment.language not in LANGUAGES:
        return segment
    words = segment.words
    percents = _percents(words, segment.language)
    found = decades(words) if segment.language == "en" else []
    spans = [*percents.items(), *((decade.start, decade.end) for decade in found)]
    numbers = _numbers(words, segment.language, {index for start, end in spans for index in range(start, end)})
    numbers = with_digits_joined(words, numbers)
    if segment.language == "en":
        numbers = without_bare_decimals(words, numbers, percents)
    numbers = [
        number
        for at, number in enumerate(numbers)
        if not _is_small_word(words, numbers, at, percents, segment.language)
    ]
    if segment.language == "en":
        numbers = with_years(words, numbers)
    merges = {number.end: Merge(number.start, number.end, number.text) for number in numbers}
    for start, end in percents.items():
        number = merges.pop(start, None)
        if number is not None:
            merges[end] = Merge(number.start, end, f"{number.text}%")
        elif start and _is_digits(words[start - 1]):
            merges[end] = Merge(start - 1, end, f"{without_marks(words[start - 1].text)}%")
    return merged(segment, sorted([*merges.values(), *found], key=lambda merge: merge.start))


def _numbers(words: Sequence[Word], language: str, other: set[int]) -> list[Number]:
    """The numbers that are to be written in digits, in order."""
    plurals = _PLURALS.get(language, frozenset[str]())
    tokens = [
        _Spoken(
            words,
            index,
            index not in other and not word.boosted and without_marks(word.text).lower() not in plurals,
        )
        for index, word in enumerate(words)
    ]
    found = _found(tokens, language)
    kept = (_kept(words, tokens, occurrence, language) for occurrence in found)
    return [number for number in kept if number is not None]


def _found(tokens: Sequence[_Spoken], language: str) -> list[Occurence] | list[hindi_numbers.Found]:
    if language == _HINDI:
        return hindi_numbers.find_numbers(tokens)
    found: list[Occurence] = find_european_numbers(tokens, language, 0.0)
    return found


def _kept(
    words: Sequence[Word], tokens: Sequence[_Spoken], found: Occurence | hindi_numbers.Found, language: str
) -> Number | None:
    start, end = found.start, found.end
    if start > 0 and _has_digits(words[start - 1]) and not is_parted(words[start - 1], words[start]):
        return None
    if end < len(words) and _has_digits(words[end]) and not is_parted(words[end - 1], words[end]):
        return None
    text, value = found.text, found.value
    if all(_is_digits(word) for word in words[start:end]):
        return None
    if language == "en" and tokens[start].text() in ("hundred", "thousand"):
        has_article = start > 0 and tokens[start - 1].text() == "a" and not is_parted(words[start - 1], words[start])
        if end - start == 1 or not has_article:
            return None
        start -= 1
    if value in _ROUND and start > 0 and tokens[start - 1].text() in _SOME.get(language, ()):
        return None
    if value >= _MILLION and value % _MILLION == 0 and not found.is_ordinal and language != _HINDI:
        return _before_the_millions(tokens[start:end], start, value, language)
    return Number(start, end, text, value, not found.is_ordinal)


def _before_the_millions(tokens: Sequence[_Spoken], start: int, value: float, language: str) -> Number | None:
    """Of "five million" the five; None where there is nothing to be written in digits."""
    *head, last = tokens
    scale = _found([last], language)
    found = _found(head, language) if head else []
    if len(found) != 1 or len(scale) != 1 or (found[0].start, found[0].end) != (0, len(head)):
        return None
    if found[0].value * scale[0].value != value:
        return None
    return Number(start, start + len(head), found[0].text, value, False)


def _is_small_word(
    words: Sequence[Word], numbers: Sequence[Number], at: int, percents: Mapping[int, int], language: str
) -> bool:
    """Whether a number stays a word: a small one on its own.

    So does one beside another number, which is mostly an article outside English, and any two in Hindi. Of three or
    more in a row, as people tell telephone numbers, all are figures.
    """
    number = numbers[at]
    if number.end - number.start > 1 or number.value > _LARGEST_ALONE_AS_WORD or number.end in percents:
        return False
    if not number.is_cardinal:
        return True
    needs_three = language == _HINDI or (number.value == 1 and language != "en")
    return row_length(words, numbers, at) < (3 if needs_three else 2)


def _percents(words: Sequence[Word], language: str) -> dict[int, int]:
    """Where a word for percent stands directly behind another word: its start and its end."""
    found = {}
    for phrase in _PERCENT[language]:
        for start in range(1, len(words) - len(phrase) + 1):
            run = words[start - 1 : start + len(phrase)]
            said = tuple(without_marks(word.text).lower() for word in run[1:])
            if said == phrase and not any(is_parted(*pair) for pair in pairwise(run)):
                found[start] = start + len(phrase)
    return found


def _has_digits(word: Word) -> bool:
    return any(character.isdecimal() for character in word.text)


def _is_digits(word: Word) -> bool:
    core = without_marks(word.text)
    return bool(core) and core.replace(".", "").replace(",", "").isdecimal()
