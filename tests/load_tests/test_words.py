from __future__ import annotations

import pytest

from load_tests.recordings import TimedWord
from load_tests.words import match_words, word_time_errors

pytestmark = pytest.mark.unit


def words(*entries: tuple[str, float, float]) -> list[TimedWord]:
    return [TimedWord(*entry) for entry in entries]


def test_only_words_that_were_heard_right_are_matched() -> None:
    truth = words(("Well", 0.0, 0.2), ("the", 0.2, 0.3), ("stone", 0.3, 0.8))
    found = words(("well,", 0.1, 0.3), ("a", 0.3, 0.4), ("stone.", 0.4, 0.7))
    assert [(match.truth.text, match.found.text) for match in match_words(truth, found)] == [
        ("Well", "well,"),
        ("stone", "stone."),
    ]


def test_marks_that_stand_alone_do_not_shift_the_match() -> None:
    truth = words(("yes", 0.0, 0.2), ("sir", 0.2, 0.5))
    found = words(("Yes", 0.0, 0.2), (",", 0.2, 0.2), ("sir", 0.25, 0.5), (".", 0.5, 0.5))
    assert [match.start_error_s for match in match_words(truth, found)] == pytest.approx([0.0, 0.05])


def test_typographic_apostrophes_are_the_same_word() -> None:
    assert len(match_words(words(("we're", 0, 1)), words(("We’re", 0, 1)))) == 1


@pytest.mark.parametrize(
    ("truth", "found"), [([], [("a", 0, 1)]), ([("a", 0, 1)], []), ([("...", 0, 1)], [("a", 0, 1)])]
)
def test_nothing_to_match(truth: list[tuple[str, float, float]], found: list[tuple[str, float, float]]) -> None:
    assert match_words(words(*truth), words(*found)) == []
    assert word_time_errors([]) is None


def test_errors_are_absolute() -> None:
    truth = words(("one", 1.0, 2.0), ("two", 2.0, 3.0), ("three", 3.0, 4.0))
    found = words(("one", 0.9, 2.0), ("two", 2.1, 3.3), ("three", 3.4, 4.0))
    errors = word_time_errors(match_words(truth, found))
    assert errors is not None
    assert errors.matched == 3
    assert errors.start_median_s == pytest.approx(0.1)
    assert errors.start_mean_s == pytest.approx(0.2)
    assert errors.end_median_s == pytest.approx(0.0)
    assert errors.end_mean_s == pytest.approx(0.1)
