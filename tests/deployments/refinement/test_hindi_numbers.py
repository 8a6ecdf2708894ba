from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from indic_numtowords import num2words

from deployments.refinement.hindi_numbers import Token, find_numbers

pytestmark = pytest.mark.unit


@dataclass
class Spoken:
    """Implements Token."""

    said: str

    def text(self) -> str:
        return self.said

    def nt_separated(self, previous: Token) -> bool:
        return False

    def not_a_number_part(self) -> bool:
        return self.said == "|"


def found(text: str) -> list[tuple[int, int, str]]:
    return [(number.start, number.end, number.text) for number in find_numbers([Spoken(each) for each in text.split()])]


@given(st.integers(0, 99_999))
def test_what_the_library_writes_in_words_is_read_back(number: int) -> None:
    for words in num2words(number, "hi", variations=True):
        assert found(words) == [(0, len(words.split()), str(number))]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("पांच", ["5"]),
        ("पन्द्रह पंद्रह पंद्रह", ["15", "15", "15"]),
        ("हजार दो हजार", ["2000"]),
        ("दो सौ तीन सौ", ["200", "300"]),
        ("दो हज़ार उन्नीस सौ", ["2000", "1900"]),
        ("एक सौ | एक", ["100", "1"]),
        ("सवा सौ सवा लाख पौने दो सौ", ["125", "1.25", "175"]),
        ("शून्य दशमलव एक चार", ["0.14"]),
        ("तीन दशमलव", ["3"]),
        ("दशमलव साढ़े सौ घर", []),
        ("दस लाख करोड़", ["10"]),
    ],
)
def test_words_that_are_numbers(text: str, numbers: list[str]) -> None:
    assert [number for _, _, number in found(text)] == numbers


def test_a_number_in_front_of_lakhs_is_as_much_as_they() -> None:
    (number,) = find_numbers([Spoken("पाँच"), Spoken("लाख")])
    assert (number.end, number.value) == (1, 500_000)
