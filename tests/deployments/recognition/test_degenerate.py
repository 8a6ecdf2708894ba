from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Word
from deployments.recognition.degenerate import is_loop, said_once, without_invented

pytestmark = pytest.mark.unit

_SPOKEN_S, _NO_TIME_S = 0.08, 0.012
"""A letter's, as people speak and as the model loops."""


def timed(*texts: tuple[str, float]) -> tuple[Word, ...]:
    """The words of each text, one after the other, of so many seconds a letter."""
    lengths = [(text, len(text) * per_letter_s) for said, per_letter_s in texts for text in said.split()]
    ends_s = [0.0]
    for _, length_s in lengths:
        ends_s.append(ends_s[-1] + length_s)
    return tuple(
        Word(text, start_s, end_s, 0.9) for (text, _), (start_s, end_s) in zip(lengths, pairwise(ends_s), strict=True)
    )


def said(words: tuple[Word, ...], *, ended: bool = True) -> str:
    return " ".join(word.text for word in without_invented(words, ended=ended))


@pytest.mark.parametrize(
    "text",
    [
        "my number is five five five five five five one two",
        "I don't know I don't know I don't know but we should ask her tomorrow",
        "Yes, sir! Yes, sir. Yes, sir. I will send it",
        "zero zero zero zero zero zero zero zero zero zero",
    ],
)
def test_what_somebody_repeats_is_kept_with_all_that_follows(text: str) -> None:
    words = timed((text, _SPOKEN_S))
    assert not is_loop(words, ended=True)
    assert said(words) == text


def test_no_repetition_is_believed_of_a_text_that_the_model_finds_unlikely() -> None:
    words = timed(("Ask her. Ask her. Ask her. Then go.", _SPOKEN_S))
    assert is_loop(words, ended=True, is_doubted=True)
    assert " ".join(word.text for word in without_invented(words, ended=True, is_doubted=True)) == "Ask her. Then go."


def test_a_pause_within_a_repetition_makes_nothing_of_it() -> None:
    words = timed(("no idea", _SPOKEN_S), *[("no", 1.0), ("idea", _SPOKEN_S)] * 2, ("none at all", _SPOKEN_S))
    assert not is_loop(words, ended=True)
    assert said(words) == "no idea no idea no idea none at all"


def test_repetitions_that_take_no_time_are_the_models() -> None:
    words = timed(("so we will see", _SPOKEN_S), ("we will see " * 4, _NO_TIME_S), ("and went home", _SPOKEN_S))
    assert is_loop(words, ended=True)
    assert said(words) == "so we will see and went home"


def test_one_repetition_too_many_is_left_out_of_those_that_were_said() -> None:
    words = timed(("Ask her. " * 4, _SPOKEN_S), ("Ask her.", _NO_TIME_S), ("Then go.", _SPOKEN_S))
    assert not is_loop(words, ended=True)
    assert said(words) == "Ask her. " * 4 + "Then go."


def test_what_has_no_letters_is_not_said_however_long_it_lasts() -> None:
    words = tuple(Word("♪", float(second), second + 1.0, 0.9) for second in range(8))
    assert is_loop(words, ended=True)
    assert said(words) == "♪"


@pytest.mark.parametrize("last", ["", "we", "we w"])
def test_a_text_that_a_limit_cut_off_while_it_repeated_itself_is_a_loop(last: str) -> None:
    words = timed((f"so {'we will see ' * 5}{last}", _SPOKEN_S))
    assert is_loop(words, ended=False)
    assert said(words, ended=False) == "so we will see"


def test_the_limit_does_not_tell_of_what_was_said_before() -> None:
    words = timed(("go on go on go on he said and then", _SPOKEN_S))
    assert not is_loop(words, ended=False)
    assert said(words, ended=False) == "go on go on go on he said and then"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no no no, that is not it",
        "very very very very good",
        "it was the best of times it was the worst of times it was the age of wisdom",
        "yeah yeah exactly yeah yeah",
        "row row row your boat row row row your boat",
    ],
)
def test_few_repetitions_are_nobodys_question(text: str) -> None:
    words = timed((text, _NO_TIME_S))
    assert not is_loop(words, ended=False)
    assert said(words, ended=False) == text
    assert said_once(text.split()) == text.split()


@pytest.mark.parametrize(
    ("text", "once"),
    [
        ("we will see we will see we will see we will see", "we will see"),
        ("so he said go go go go go go go go", "so he said go"),
        ("Is it? Is it, is it. And then", "Is it? And then"),
    ],
)
def test_a_text_without_its_repetitions(text: str, once: str) -> None:
    assert said_once(text.split()) == once.split()


@given(st.lists(st.sampled_from("abcdefgh"), max_size=5), st.integers(1, 6))
def test_what_is_kept_holds_no_loop(prefix: list[str], period: int) -> None:
    loop = " ".join(f"w{at}" for at in range(period))
    words = timed((" ".join(prefix), _SPOKEN_S), (f"{loop} " * 8, _NO_TIME_S))
    for ended in (True, False):
        assert is_loop(words, ended=ended)
        assert not is_loop(without_invented(words, ended=ended), ended=ended)
