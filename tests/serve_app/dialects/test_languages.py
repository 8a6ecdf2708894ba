from __future__ import annotations

import pytest

from serve_app.dialects.languages import language_name, native_name, plain_code

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("code", "english", "native"),
    [
        ("en", "English", "English"),
        ("hi", "Hindi", "हिन्दी"),
        ("es", "Spanish", "español"),
        ("yue", "Cantonese", "粵語"),
        ("iw", "Hebrew", "עברית"),
        ("jw", "Javanese", "Jawa"),
        ("ht", "Haitian Creole", "Kreyòl Ayisyen"),
    ],
)
def test_a_language_has_two_names(code: str, english: str, native: str) -> None:
    assert (language_name(code), native_name(code)) == (english, native)


def test_an_unknown_code_is_its_own_name() -> None:
    assert (language_name("qqx"), native_name("qqx")) == ("qqx", "qqx")


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("EN", "en"),
        ("en-US", "en"),
        ("pt_BR", "pt"),
        ("es-419", "es"),
        ("yue", "yue"),
        ("zh-Hant", "zh-Hant"),
        ("multi-eu", "multi-eu"),
        ("auto", "auto"),
        ("", ""),
    ],
)
def test_case_and_region_do_not_make_another_language(written: str, code: str) -> None:
    assert plain_code(written) == code
