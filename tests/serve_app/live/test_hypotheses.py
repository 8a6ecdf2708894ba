from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Word
from serve_app.live.hypotheses import StablePrefix

pytestmark = pytest.mark.unit


def heard(text: str) -> tuple[Word, ...]:
    return tuple(Word(word, at, at + 0.8, 0.9) for at, word in enumerate(text.split()))


def shown(prefix: StablePrefix, text: str) -> tuple[str, int]:
    words = prefix.add(heard(text))
    return " ".join(word.text for word in words), len(prefix.stable)


def test_what_two_hypotheses_agree_on_is_stable_but_for_their_last_word() -> None:
    prefix = StablePrefix()
    assert shown(prefix, "It was the best of time.") == ("It was the best of time", 0)
    assert shown(prefix, "It was the best of times, it was") == ("It was the best of times, it was", 5)
    assert shown(prefix, "It was the best of times, it was the worst.") == (
        "It was the best of times, it was the worst",
        8,
    )


def test_case_and_marks_are_no_difference_and_the_newer_form_is_kept() -> None:
    prefix = StablePrefix()
    shown(prefix, "hello there. You are")
    assert shown(prefix, "Hello there, you are welcome") == ("Hello there, you are welcome", 4)


def test_stable_words_stay_when_a_hypothesis_contradicts_them() -> None:
    prefix = StablePrefix()
    shown(prefix, "we hope and give up")
    assert shown(prefix, "we hope and give up now")[1] == 5
    assert shown(prefix, "they hoped and gave in now then") == ("we hope and give up now then", 6)


def test_a_hypothesis_with_nothing_new_shows_what_is_stable() -> None:
    prefix = StablePrefix()
    shown(prefix, "one two three")
    shown(prefix, "one two three")
    assert shown(prefix, "") == ("one two", 2)


_hypotheses = st.lists(st.lists(st.sampled_from(["a", "B,", "b", "c.", "—"]), max_size=6).map(" ".join), max_size=8)


@given(_hypotheses)
def test_stable_words_never_change(texts: list[str]) -> None:
    prefix = StablePrefix()
    before: tuple[Word, ...] = ()
    for text in texts:
        words = prefix.add(heard(text))
        assert prefix.stable[: len(before)] == before
        assert words[: len(prefix.stable)] == prefix.stable
        before = prefix.stable
