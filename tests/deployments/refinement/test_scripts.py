from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.contracts import Word
from deployments.refinement import romanized_hindi, urdu_script
from deployments.refinement.scripts import in_script_of_language
from tests.deployments.refinement.rewritten import check_rewriting, segment, segments_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("language", "heard", "text"),
    [
        ("hi", "main ghar ja raha hoon, dost.", "मैं घर जा रहा हूँ, दोस्त."),
        ("hi", "मेरا", "मेरا"),
        ("hi", "میرا نام گھر ہے۔", "मेरा नाम घर है۔"),
        ("hi", "मैं office जा رہا हूँ", "मैं office जा रहा हूँ"),
        ("hi", "aap GPU kaise chalate hain", "आप GPU कैसे चलते हैं"),
        ("mr", "मी घरी जातो", "मी घरी जातो"),
        ("en", "मेरा नाम is हिन्दी!", "mera naam is hindi!"),
        ("en", "plain English", "plain English"),
        ("ur", "میرا نام", "میرا نام"),
        ("ru", "нет हिन्दी", "нет हिन्दी"),
    ],
)
def test_words_come_in_the_script_of_their_language(language: str, heard: str, text: str) -> None:
    assert in_script_of_language([segment(heard, language)])[0].text == text


def test_a_word_says_how_it_was_heard() -> None:
    (after,) = in_script_of_language([segment("“ghar,” hai", "hi")])
    assert after.words[0] == Word("“घर,”", 0.0, 0.9, 0.6, "SPEAKER_00", original="ghar")


def test_boosted_words_stay() -> None:
    before = segment("mera kubernetes hai", "hi")
    words = (before.words[0], replace(before.words[1], boosted=True), before.words[2])
    (after,) = in_script_of_language([replace(before, words=words)])
    assert after.words[1] == words[1]


@pytest.mark.parametrize(
    ("devanagari", "latin"),
    [
        ("नमस्ते", "namaste"),
        ("लड़का", "ladka"),
        ("सरकार", "sarkaar"),
        ("बहुत", "bahut"),
        ("पढ़ना", "padhna"),
        ("ज़िंदगी", "zindagi"),
        ("संबंध", "sambandh"),
        ("नहीं", "nahin"),
        ("क्या", "kya"),
        ("ज्ञान", "gyaan"),
        ("२५", "25"),
    ],
)
def test_devanagari_is_read_without_silent_letters(devanagari: str, latin: str) -> None:
    assert romanized_hindi.to_latin(devanagari) == latin


@pytest.mark.parametrize(
    ("typed", "devanagari"),
    [
        ("namaste", "नमस्ते"),
        ("Zindagi", "ज़िन्दगी"),
        ("karna", "करना"),
        ("sharma", "शर्मा"),
        ("garmi", "गर्मी"),
        ("kamra", "कमरा"),
        ("vidya", "विद्या"),
        ("dilli", "दिल्ली"),
        ("bachcha", "बच्चा"),
        ("pyaar", "प्यार"),
        ("paani", "पानी"),
        ("nahi", "नहीं"),
    ],
)
def test_typed_hindi_is_spelled(typed: str, devanagari: str) -> None:
    assert romanized_hindi.to_devanagari(typed) == devanagari


@pytest.mark.parametrize(
    ("urdu", "devanagari"),
    [
        ("گھر", "घर"),
        ("بھارت", "भारत"),
        ("ایمان", "ईमान"),
        ("جواب", "जवाब"),
        ("گئی", "गई"),
        ("آئے", "आए"),
        ("پردہ", "परदा"),
        ("پڑھنا", "पढ़ना"),
        ("عام", "आम"),
        ("ہیں", "हैं"),
    ],
)
def test_urdu_letters_have_counterparts(urdu: str, devanagari: str) -> None:
    assert urdu_script.to_devanagari(urdu) == devanagari


HEARD = st.one_of(
    st.sampled_from(["main", "ghar,", "office", "मैं", "घर।", "GPU", "گھر", "ہے۔", "25", "२५", "нет", "?!", "कखg"]),
    st.text(
        st.characters(min_codepoint=0x900, max_codepoint=0x97F, categories=("L", "M", "N")), min_size=1, max_size=6
    ),
    st.text(
        st.characters(min_codepoint=0x620, max_codepoint=0x6D5, categories=("L", "M", "N")), min_size=1, max_size=6
    ),
    st.text(st.characters(max_codepoint=0x24F, categories=("L", "N")), min_size=1, max_size=6),
)


@example([["main", "ؠ٠"]], "hi")
@given(st.lists(st.lists(HEARD, min_size=1, max_size=8), max_size=3), st.sampled_from(["hi", "mr", "en", "ur", "ru"]))
def test_script_correction_changes_nothing_else(texts: list[list[str]], language: str) -> None:
    check_rewriting(segments_of(texts, language), in_script_of_language)
