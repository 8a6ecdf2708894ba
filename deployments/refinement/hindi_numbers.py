"""Number words of Hindi, in Devanagari, and what they are together: "दो सौ पचास" is 250.

Hindi has a word of its own for each number under a hundred; their spellings are those of indic-numtowords (AI4Bharat),
and others that are usual. हज़ार and सौ multiply what is before them, in this order; "उन्नीस सौ पचानवे" is 1995. डेढ़ is 1.5
and ढाई 2.5, साढ़े adds a half to what follows, सवा a quarter, and पौने takes a quarter off: "साढ़े तीन सौ" is 350. Behind
दशमलव come decimals. Lakhs and more keep their words, as people write them: "बारह करोड़ चौंतीस लाख" is 12 करोड़ 34 लाख.

A hundred on its own stays a word ("सौ लोग"), and so does a fraction that multiplies nothing ("साढ़े तीन बजे").
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Protocol

from deployments.refinement.letter_tables import letter_table

_HUNDRED = 100
_QUARTER = Fraction(1, 4)
# Other spellings than the library's, but for those that the keys below make one.
_SPELLINGS = letter_table(
    """
    छ=6 छह=6 छै=6 छे=6 अठारह=18 बाइस=22 तेइस=23 सताईस=27 सत्ताइस=27 अठाईस=28 अट्ठाइस=28 अठ्ठाईस=28 उन्तीस=29
    इकत्तीस=31 तेंतीस=33 तैतीस=33 चौतीस=34 पैतीस=35 सैतीस=37 उन्तालीस=39 उनचालीस=39 बियालीस=42 तिरालीस=43 चौवालीस=44
    चवालीस=44 चौआलीस=44 छयालीस=46 उन्चास=49 इक्यावान=51 तिरपन=53 चौअन=54 अठावन=58 उन्सठ=59 तिरसठ=63 चौसठ=64 पैसठ=65
    छियासठ=66 छासठ=66 सड़सठ=67 उन्हत्तर=69 छियत्तर=76 अठत्तर=78 उनासी=79 उन्नासी=79 तेरासी=83 अट्ठासी=88 इक्यानबे=91
    बानबे=92 तिरानबे=93 चौरानबे=94 पंचानबे=95 पंचानवे=95 पचानबे=95 छियानबे=96 सत्तानबे=97 अट्ठानबे=98 अठानवे=98
    अठानबे=98 निन्यानबे=99
    """
)
_SCALES = letter_table("सौ=100 हज़ार=1000")
_LARGE_SCALES = letter_table("लाख=100000 करोड़=10000000 अरब=1000000000 खरब=100000000000")
_AROUND = letter_table("साढ़े=1/2 सवा=1/4 सावा=1/4 पौने=-1/4")
_MIXED = letter_table("डेढ़=3/2 ढाई=5/2 अढ़ाई=5/2")


class Token(Protocol):
    """A word of a text, as text2num's parser wants it as well."""

    def text(self) -> str:
        """In lower case, without marks."""
        ...

    def nt_separated(self, previous: Token) -> bool:
        """Whether it cannot be part of the number that the word before is in."""
        ...

    def not_a_number_part(self) -> bool:
        """Whether it is a part of no number."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """Words start to end (exclusive) are a number; ``text`` has it in digits, and ``value`` counts the lakhs behind."""

    start: int
    end: int
    text: str
    value: float
    is_ordinal: bool = False


def find_numbers(tokens: Sequence[Token]) -> list[Found]:
    """The numbers in a text, in order."""
    found: list[Found] = []
    for first, last in _stretches(tokens):
        keys = [_key(token.text()) for token in tokens[first:last]]
        at = 0
        while at < len(keys):
            length, value = _number(keys[at:])
            scale = _large_scales().get(keys[at + length]) if length and at + length < len(keys) else None
            if length and (value.denominator == 1 or scale is not None or "दशमलव" in keys[at : at + length]):
                found.append(Found(first + at, first + at + length, _digits(value), float(value * (scale or 1))))
            at += max(length, 1)
    return found


def is_number_word(word: str) -> bool:
    """Whether a word is a number, a scale or a fraction, however it is spelled."""
    key = _key(word)
    return any(key in known for known in (_units(), _scales(), _large_scales(), _around(), _mixed()))


def _stretches(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """First and last (exclusive) of tokens that may be parts of one number."""
    first = 0
    for at, token in enumerate(tokens):
        if token.not_a_number_part():
            yield first, at
            first = at + 1
        elif at > first and token.nt_separated(tokens[at - 1]):
            yield first, at
            first = at
    yield first, len(tokens)


def _number(keys: Sequence[str]) -> tuple[int, Fraction]:
    """How many words at the start are a number, and its value."""
    total, at, smallest = Fraction(0), 0, None
    while at < len(keys):
        length, value = _unit(keys[at:])
        if length == 0:
            break
        scale = _scales().get(keys[at + length]) if at + length < len(keys) else None
        part, length = (value, length) if scale is None else (value * scale, length + 1)
        if smallest is not None and (part >= smallest or part.denominator > 1):
            break
        total, at, smallest = total + part, at + length, scale
        if scale is None:
            break
    decimals = _decimals(keys[at:]) if at and total.denominator == 1 else ""
    return at + len(decimals) + bool(decimals), total + Fraction(f"0.{decimals or 0}")


def _unit(keys: Sequence[str]) -> tuple[int, Fraction]:
    """What may stand before a scale: the number of its words, and its value."""
    if keys[0] in _mixed():
        return 1, _mixed()[keys[0]]
    is_around = keys[0] in _around()
    if keys[is_around:] and keys[is_around] in _units():
        return 1 + is_around, _units()[keys[is_around]] + _around().get(keys[0], Fraction(0))
    if is_around and abs(_around()[keys[0]]) == _QUARTER and keys[1:] and keys[1] in {**_scales(), **_large_scales()}:
        # A quarter more than one, or less than it, which nobody names.
        return 1, 1 + _around()[keys[0]]
    return 0, Fraction(0)


def _decimals(keys: Sequence[str]) -> str:
    """The digits behind दशमलव, where it comes first."""
    if not keys or keys[0] != "दशमलव":
        return ""
    digits = []
    for key in keys[1:]:
        number = _units().get(key)
        if number is None or number >= 10:
            break
        digits.append(str(number))
    return "".join(digits)


def _digits(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value)}"


def _key(text: str) -> str:
    """One for the usual ways to spell a word: dots under letters left out, nasals as one sign."""
    bare = unicodedata.normalize("NFD", text).replace("\u093c", "").replace("ँ", "ं")
    return bare.replace("न्द", "ंद")


@cache
def _units() -> Mapping[str, int]:
    # Imports the words of twenty languages: 0.05 s of every process, for what few ask for.
    from indic_numtowords import num2words

    spelled = {spelling: number for number in range(_HUNDRED) for spelling in num2words(number, "hi", variations=True)}
    spelled |= {spelling: int(number) for spelling, number in _SPELLINGS.items()}
    return {_key(spelling): number for spelling, number in spelled.items()}


@cache
def _scales() -> Mapping[str, int]:
    return {_key(word): int(value) for word, value in _SCALES.items()}


@cache
def _large_scales() -> Mapping[str, int]:
    return {_key(word): int(value) for word, value in _LARGE_SCALES.items()}


@cache
def _around() -> Mapping[str, Fraction]:
    return {_key(word): Fraction(value) for word, value in _AROUND.items()}


@cache
def _mixed() -> Mapping[str, Fraction]:
    return {_key(word): Fraction(value) for word, value in _MIXED.items()}
