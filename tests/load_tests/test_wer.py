from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from load_tests.wer import WordErrors, count_speaker_attributed_errors, count_word_errors, normalised

pytestmark = pytest.mark.unit

WORDS = st.lists(st.sampled_from(["river", "stone", "cloud", "lamp"]), max_size=5).map(" ".join)


def test_case_punctuation_and_fillers_are_no_errors() -> None:
    assert count_word_errors("Well, um, he's HERE.", "well he is here") == WordErrors(reference_words=4)


@pytest.mark.parametrize(
    ("heard", "errors"),
    [
        ("red stone runs", WordErrors(substitutions=1, reference_words=3)),
        ("red runs", WordErrors(deletions=1, reference_words=3)),
        ("red river stone runs", WordErrors(insertions=1, reference_words=3)),
    ],
)
def test_each_kind_of_error_is_counted(heard: str, errors: WordErrors) -> None:
    assert count_word_errors("Red river runs.", heard) == errors


@pytest.mark.parametrize("ellipsis", ["… ", "... ", " … "])
def test_what_is_left_of_an_ellipsis_is_no_word(ellipsis: str) -> None:
    assert normalised(f"red{ellipsis}river{ellipsis}").split() == ["red", "river"]


def test_words_where_nobody_speaks_are_insertions_and_have_no_rate() -> None:
    errors = count_word_errors("", "thank you")
    assert errors == WordErrors(insertions=2)
    assert errors.percent is None


def test_counts_are_pooled_not_averaged() -> None:
    pooled = count_word_errors("lamp", "stone") + count_word_errors("river river river", "river river river")
    assert pooled.percent == 25.0


def test_speakers_are_paired_whatever_they_are_called() -> None:
    truth = {"anna": "red river", "ben": "deep stone lamp"}
    found = {"0": "deep stone lamp", "1": "red river"}
    assert count_speaker_attributed_errors(truth, found) == WordErrors(reference_words=5)


def test_right_words_of_the_wrong_speaker_are_errors() -> None:
    truth = {"anna": "red river", "ben": "deep stone"}
    errors = count_speaker_attributed_errors(truth, {"0": "red river deep stone"})
    assert (errors.errors, errors.reference_words) == (4, 4)


def test_a_speaker_too_many_is_inserted() -> None:
    errors = count_speaker_attributed_errors({"anna": "red river"}, {"0": "red river", "1": "lamp"})
    assert errors == WordErrors(insertions=1, reference_words=2)


def test_nobody_found_deletes_everything() -> None:
    assert count_speaker_attributed_errors({"anna": "red river"}, {}) == WordErrors(deletions=2, reference_words=2)


def test_nobody_at_all() -> None:
    assert count_speaker_attributed_errors({}, {}) == WordErrors()


# The first call builds the normaliser.
@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=3), st.lists(WORDS, min_size=1, max_size=3))
def test_the_pairing_is_the_best_of_all_permutations(said: list[str], heard: list[str]) -> None:
    size = max(len(said), len(heard))
    padded = heard + [""] * (size - len(heard))
    best = min(
        sum(
            count_word_errors(truth, text).errors
            for truth, text in zip(said + [""] * (size - len(said)), order, strict=True)
        )
        for order in itertools.permutations(padded)
    )
    found = count_speaker_attributed_errors(
        {f"true {index}": text for index, text in enumerate(said)},
        {f"found {index}": text for index, text in enumerate(heard)},
    )
    assert found.errors == best
    assert found.reference_words == sum(len(normalised(text).split()) for text in said)
