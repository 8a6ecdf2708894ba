from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from deployments.refinement.sound_alike import likeness, sound_of, spelling_key, spoken_words

pytestmark = pytest.mark.unit


def alike(term: str, heard: str) -> float:
    first, second = spelling_key(term), spelling_key(heard)
    spelling = Levenshtein.normalized_similarity(first, second)
    return likeness(first, second, spelling, sound_of(first), sound_of(second))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Kubernetes,", "kubernetes"),
        ("fast A. P. I.", "fast api"),
        ("well-known", "well known"),
        ("don't", "dont"),
        ("Siobhán Müller", "siobhan muller"),
        ("हिन्दी में", "हिन्दी में"),
        ("?!", ""),
    ],
)
def test_keys_are_what_is_said(text: str, key: str) -> None:
    assert spelling_key(text) == key


@pytest.mark.parametrize(
    ("term", "spoken"),
    [
        ("FastAPI", "Fast API"),
        ("PyTorch", "Py Torch"),
        ("GPT4", "GPT 4"),
        ("APIServer", "API Server"),
        ("New York", "New York"),
    ],
)
def test_capitals_and_digits_say_where_words_begin(term: str, spoken: str) -> None:
    assert spoken_words(term) == spoken


def test_voicing_counts_half() -> None:
    assert alike("Kubernetes", "Gubernetes") > alike("Kubernetes", "Lubernetes")


def test_another_form_is_less_alike_than_a_mishearing() -> None:
    assert alike("Serve", "server") < alike("Serve", "sirve")


def test_scripts_without_a_code_have_no_sound() -> None:
    assert sound_of(spelling_key("Москва")) is None
    assert alike("Москва", "Москва") == 1.0
    assert alike("Москва", "Масква") == pytest.approx(5 / 6)


@given(st.text(max_size=12), st.text(max_size=12))
def test_likeness_is_one_for_equal_keys_alone(term: str, heard: str) -> None:
    assert alike(term, heard) >= -0.06
    assert (alike(term, heard) == 1.0) is (spelling_key(term) == spelling_key(heard))


@example("A:\u0300")
@given(st.text(max_size=12))
def test_keys_of_keys_are_themselves(text: str) -> None:
    assert spelling_key(spelling_key(text)) == spelling_key(text)
