"""What is believed of Moonshine's texts, and which windows are decoded again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from deployments.contracts import Word
from deployments.recognition.engine import Hypothesis
from deployments.recognition.moonshine.rules import Attempt, retry_loops

pytestmark = pytest.mark.unit


def attempt(text: str, word_s: float = 0.3, *, ended: bool = True, mean_log_probability: float = -0.1) -> Attempt:
    words = [Word(word, at * word_s, (at + 1) * word_s, 0.9) for at, word in enumerate(text.split())]
    return Attempt(Hypothesis(tuple(words), mean_log_probability), ended)


class Again:
    """Answers with the texts given, and notes which windows were asked for."""

    def __init__(self, *attempts: Attempt) -> None:
        self._attempts = attempts
        self.asked: list[int] = []

    def __call__(self, windows: Sequence[int]) -> Sequence[Attempt]:
        self.asked += windows
        return self._attempts


def believed(attempts: Sequence[Attempt], again: Again) -> list[tuple[str, bool]]:
    return [
        (" ".join(word.text for word in hypothesis.words), hypothesis.dropped_repeats)
        for hypothesis in retry_loops(attempts, again)
    ]


def test_only_windows_in_which_the_model_repeats_itself_are_decoded_again() -> None:
    again = Again(attempt("the first time"))
    attempts = [attempt("yes sir " * 4), attempt("the first is " * 20, 0.02, ended=False), attempt("good")]
    assert believed(attempts, again) == [
        ("yes sir " * 3 + "yes sir", False),
        ("the first time", False),
        ("good", False),
    ]
    assert again.asked == [1]


def test_a_loop_that_the_retry_does_not_end_is_cut_out_and_told_of() -> None:
    again = Again(attempt("oh I see I see I see I see", 0.02))
    assert believed([attempt("the first is " * 20, ended=False)], again) == [("oh I see", True)]


def test_a_model_that_is_not_sure_of_what_it_repeats_tries_again() -> None:
    again = Again(attempt("who wants to be a person", mean_log_probability=-0.9))
    attempts = [attempt("who is a person " * 4, mean_log_probability=-0.6), attempt("who", mean_log_probability=-0.6)]
    assert believed(attempts, again) == [("who wants to be a person", False), ("who", False)]
    assert again.asked == [0]


def test_nothing_is_decoded_again_where_nothing_loops() -> None:
    again = Again()
    assert believed([attempt("five " * 9 + "one two")], again) == [("five " * 9 + "one two", False)]
    assert not again.asked
