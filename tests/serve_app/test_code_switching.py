from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Segment, WarningCode, Word
from serve_app.code_switching import code_switch_warning, has_foreign_words

pytestmark = pytest.mark.unit

# Words of two letters and more as they are written in each language.
WRITTEN = {
    "en": ("hello", "naïve", "e-mail", "it's"),
    "de": ("Straße", "über"),
    "ru": ("привет", "ёлка"),
    "hi": ("नमस्ते", "क्यों", "हूँ"),
    "ur": ("سلام", "ہیں"),
    "el": ("γειά", "σου"),
    "ja": ("こんにちは", "カタカナ", "日本語", "コーヒー"),
    "zh": ("你好", "我们"),
    "ko": ("안녕하세요", "大韓民國"),
    "th": ("สวัสดี",),
    "am": ("ሰላም",),
    "sr": ("здраво", "zdravo"),
    "pa": ("ਸਤਿ", "سلام"),
}
# Those that share no script with English.
FOREIGN = ("ru", "hi", "ur", "el", "ja", "zh", "ko", "th", "am")


def segment(language: str, *words: str) -> Segment:
    said = tuple(Word(text, float(at), at + 0.9, 0.9) for at, text in enumerate(words))
    return Segment(0.0, float(len(words)), " ".join(words), language, said)


@pytest.mark.parametrize("language", WRITTEN)
def test_no_language_is_foreign_to_itself(language: str) -> None:
    assert not has_foreign_words(segment(language, *WRITTEN[language], "12%", "3.5", "—", "…", "½"))


@given(st.sampled_from(FOREIGN), st.data())
def test_a_word_in_another_script_is_found_wherever_it_stands(language: str, data: st.DataObject) -> None:
    own = data.draw(st.lists(st.sampled_from(WRITTEN[language]), max_size=6))
    at = data.draw(st.integers(0, len(own)))
    foreign = data.draw(st.sampled_from(WRITTEN["en"]))
    assert has_foreign_words(segment(language, *own[:at], foreign, *own[at:]))
    assert has_foreign_words(segment("en", "so", data.draw(st.sampled_from(WRITTEN[language])), "then"))


def test_a_foreign_word_with_an_ending_of_its_own_language_is_found() -> None:
    assert has_foreign_words(segment("ja", "Zoomで", "話す"))
    assert has_foreign_words(segment("hi", "meeting-में"))


@pytest.mark.parametrize("word", ["GPU", "USB-C", "x", "A", "B2B", "π", "µ", "5G", "a@b.io", "example.com"])
def test_acronyms_addresses_and_single_letters_are_at_home_everywhere(word: str) -> None:
    assert not has_foreign_words(segment("hi", "नमस्ते", word))


def test_the_callers_own_terms_are_wanted_as_they_are_written() -> None:
    said = segment("hi", "Rayscribe")
    assert has_foreign_words(said)
    assert not has_foreign_words(replace(said, words=(replace(said.words[0], boosted=True),)))


def test_codes_that_were_withdrawn_are_understood() -> None:
    assert has_foreign_words(segment("iw", "hello"))
    assert not has_foreign_words(segment("iw", "שלום"))


@given(st.text(max_size=20))
def test_of_a_language_that_is_not_known_nothing_is_said(text: str) -> None:
    assert not has_foreign_words(segment("xx", text))


@given(st.lists(st.tuples(st.sampled_from(["en", "hi"]), st.booleans()), max_size=8))
def test_one_warning_numbers_the_segments(shape: list[tuple[str, bool]]) -> None:
    other = {"en": "hi", "hi": "en"}
    segments = [
        segment(language, *WRITTEN[language], *(WRITTEN[other[language]][:1] if switched else ()))
        for language, switched in shape
    ]
    warning = code_switch_warning(segments)
    expected = tuple(at for at, (_, switched) in enumerate(shape) if switched)
    if not expected:
        assert warning is None
    else:
        assert warning is not None
        assert warning.code is WarningCode.INLINE_CODE_SWITCH_PARTIAL
        assert warning.segments == expected
