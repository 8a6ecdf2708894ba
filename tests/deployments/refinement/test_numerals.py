from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Segment, Word
from deployments.refinement.numerals import LANGUAGES, with_numerals
from tests.deployments.refinement.rewritten import check_rewriting, segment, segments_of

pytestmark = pytest.mark.unit


def written(text: str, language: str = "en") -> str:
    return with_numerals([segment(text, language)])[0].text


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ("I have twenty five apples.", "I have 25 apples."),
        ("Twenty-five percent, I say", "25%, I say"),
        ("ninety five per cent", "95%"),
        ("only 5 percent.", "only 5%."),
        ("one percent", "1%"),
        ("in nineteen ninety five, twenty people", "in 1995, 20 people"),
        ("since twenty twenty-four", "since 2024"),
        ("twenty twenty five twenty", "20 25 20"),
        ("at eleven thirty", "at 11 30"),
        ("a hundred and five people", "105 people"),
        ("two thousand and one", "2001"),
        ("seven hundred fifty thousand", "750000"),
        ("three point one four percent", "3.14%"),
        ("five million dollars, twenty five million", "5 million dollars, 25 million"),
        ("two million", "2 million"),
        ("one two three four", "1 2 3 4"),
        ("the twenty first of May", "the 21st of May"),
        ("“twenty, eleven” he said", "“20, 11” he said"),
        ("my pin is four zero zero two.", "my pin is 4002."),
        ("call zero two zero seven nine four six", "call 0207946"),
        ("one zero one zero, three two one zero", "1010, 3 2 1 0"),
        ("zero zero seven and twelve zero five", "007 and 12 05"),
        ("zero point two percent, at this point twenty", "0.2%, at this point 20"),
        ("one hundred thousands", "100 thousands"),
    ],
)
def test_numbers_are_written_in_digits(heard: str, text: str) -> None:
    assert written(heard) == text


@pytest.mark.parametrize(
    "heard",
    [
        "one of them said no one knows",
        "two of us. Three of them, or nine",
        "a second look for the third time",
        "a hundred people a thousand times a million dollars",
        "25 hundred and 5 million",
        "half of one",
        "two billion five hundred million",
        "point taken and a dot",
        "percent",
        "for to too",
        "hundreds of thousands of dollars and tens of thousands of them",
        "many thousands died, billions and billions",
        "in the thousands, dozens of millions",
        "a point two percent rise, point two five percent",
    ],
)
def test_words_that_only_look_like_numbers_stay(heard: str) -> None:
    assert written(heard) == heard


@pytest.mark.parametrize(
    ("language", "heard", "text"),
    [
        ("de", "vierundzwanzig Leute und fünf Millionen", "24 Leute und 5 Millionen"),
        ("de", "dreißig Prozent", "30%"),
        ("de", "ein Mann", "ein Mann"),
        ("fr", "vingt et un ans, vingt-cinq pour cent", "21 ans, 25%"),
        ("fr", "un homme, cent personnes", "un homme, 100 personnes"),
        ("es", "veinticinco por ciento", "25%"),
        ("it", "venticinque per cento", "25%"),
        ("pt", "vinte e cinco por cento", "25%"),
        ("nl", "vijfentwintig", "25"),
        ("da", "femogtyve procent", "25%"),
        ("fr", "un deux trois", "1 2 3"),
        ("hi", "मैं २५ साल का हूँ", "मैं 25 साल का हूँ"),
        ("hi", "वह पैंतीस साल की है।", "वह 35 साल की है।"),
        ("hi", "उन्नीस सौ पचानवे में, दो हज़ार चौबीस में", "1995 में, 2024 में"),
        ("hi", "साढ़े तीन सौ लोग और ढाई हजार रुपये", "350 लोग और 2500 रुपये"),
        ("hi", "बारह करोड़ पाँच लाख, डेढ़ लाख", "12 करोड़ 5 लाख, 1.5 लाख"),
        ("hi", "पच्चीस प्रतिशत, तीन दशमलव पाँच फ़ीसदी", "25%, 3.5%"),
        ("hi", "नौ आठ एक शून्य", "9 8 1 0"),
        ("hi", "दो तीन लोग, एक आदमी, सौ लोग", "दो तीन लोग, एक आदमी, सौ लोग"),
        ("hi", "साढ़े तीन बजे डेढ़ घंटा, हज़ार बार", "साढ़े तीन बजे डेढ़ घंटा, हज़ार बार"),
        ("es", "miles de personas, cientos de casas, dos mil", "miles de personas, cientos de casas, 2000"),
        ("de", "ein paar tausend Leute, mehrere hundert", "ein paar tausend Leute, mehrere hundert"),
        ("de", "zwei tausend, null null sieben", "2000, 007"),
        ("fr", "quelques mille livres", "quelques mille livres"),
        ("nl", "een paar duizend", "een paar duizend"),
        ("ar", "الساعة ٣:٤٥ الآن", "الساعة 3:45 الآن"),
        ("ja", "五", "五"),
        ("hi", "twenty five", "twenty five"),
    ],
)
def test_other_languages_have_their_own_words(language: str, heard: str, text: str) -> None:
    assert written(heard, language) == text


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ("in nineteen ninety five", "in 1995"),
        ("the nineteen ninety five election", "the 1995 election"),
        ("twenty twenty four was good", "2024 was good"),
        ("since twenty twenty five, by twenty thirty", "since 2025, by 2030"),
        ("the twenty thirty agenda and our twenty twenty five goals", "the 2030 agenda and our 2025 goals"),
        ("so twenty thirty it is", "so 2030 it is"),
        ("in seventeen seventy six", "in 1776"),
        ("May nineteen twenty", "May 1920"),
        ("in the nineteen sixties, eighteen hundreds", "in the 1960s, 1800s"),
    ],
)
def test_two_halves_are_a_year(heard: str, text: str) -> None:
    assert written(heard) == text


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ("I have fifteen twenty minutes left", "I have 15 20 minutes left"),
        ("in twenty thirty minutes", "in 20 30 minutes"),
        ("thirteen fourteen year old kids", "13 14 year old kids"),
        ("the eighteen twenty year olds", "the 18 20 year olds"),
        ("we had twenty thirty guests", "we had 20 30 guests"),
        ("with twenty twenty five penguins", "with 20 25 penguins"),
        ("they were eighteen nineteen", "they were 18 19"),
        ("twenty ten people", "20 10 people"),
        ("by sixteen thirty", "by 16 30"),
        ("nineteen, sixties and the sixties", "19, sixties and the sixties"),
    ],
)
def test_two_numbers_in_a_row_are_no_year(heard: str, text: str) -> None:
    assert written(heard) == text


def test_a_number_spans_the_time_of_its_words_and_says_what_was_heard() -> None:
    words = (
        Word("(twenty", 1.0, 1.5, 0.5, "A"),
        Word("five", 1.6, 2.0, 0.75, "A"),
        Word("percent),", 2.1, 2.5, 1.0, "A"),
    )
    (after,) = with_numerals([Segment(0.0, 3.0, "(twenty five percent),", "en", words)])
    assert after.words == (Word("(25%),", 1.0, 2.5, 0.75, "A", original="twenty five percent"),)


@pytest.mark.parametrize("changed", [{"speaker": "B"}, {"start_s": 3.1, "end_s": 3.5}, {"boosted": True}])
def test_no_number_across_speakers_pauses_and_terms(changed: dict[str, object]) -> None:
    before = segment("twenty five")
    words = (before.words[0], replace(before.words[1], **changed))  # type: ignore[arg-type]
    (after,) = with_numerals([replace(before, words=words)])
    assert [word.text for word in after.words] == ["20", "five"]


HEARD = st.sampled_from(
    [
        *(
            "twenty",
            "five",
            "hundred",
            "thousand",
            "million",
            "and",
            "a",
            "one",
            "two",
            "point",
            "percent",
            "per",
            "cent",
            "zero",
            "sixties",
            "thousands",
        ),
        *(
            "twenty-five",
            "five,",
            "(nineteen",
            "nineteen",
            "ninety.",
            "first",
            "second",
            "5",
            "2,5",
            "२५",
            "٣",
            "oh",
            "word",
            "?!",
        ),
        *(
            "paar",
            "tausend",
            "miles",
            "vingt",
            "pour",
            "cent",
            "fünf",
            "und",
            "zwanzig",
            "millones",
            "por",
            "ciento",
            "een",
            "…",
        ),
        *("एक", "दो", "पैंतीस", "सौ", "हज़ार", "लाख", "साढ़े", "डेढ़", "दशमलव", "प्रतिशत", "सवा,"),
    ]
)


@given(st.lists(st.lists(HEARD, min_size=1, max_size=12), max_size=3), st.sampled_from([*sorted(LANGUAGES), "mr", ""]))
def test_numbers_change_nothing_else(texts: list[list[str]], language: str) -> None:
    check_rewriting(segments_of(texts, language), with_numerals)
