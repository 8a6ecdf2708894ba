from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.live_speakers import NamedUtterance, NamingErrors, count_naming_errors

pytestmark = pytest.mark.unit

ANN_BOB = (("ann", 3.0), ("bob", 2.0), ("ann", 1.0))


@pytest.mark.parametrize(
    ("labels", "wrong_s", "nameless_s"),
    [
        (("x", "y", "x"), 0.0, 0.0),
        (("x", "y", "z"), 1.0, 0.0),
        (("x", "x", "x"), 2.0, 0.0),
        (("x", None, "y"), 1.0, 2.0),
        ((None, None, None), 0.0, 6.0),
    ],
)
def test_errors_by_hand(labels: tuple[str | None, ...], wrong_s: float, nameless_s: float) -> None:
    utterances = [
        NamedUtterance(truth, speech_s, label) for (truth, speech_s), label in zip(ANN_BOB, labels, strict=True)
    ]
    assert count_naming_errors(utterances) == NamingErrors(wrong_s, nameless_s, 6.0)


def test_where_nobody_speaks_nothing_is_wrong() -> None:
    errors = count_naming_errors([])
    assert errors == NamingErrors()
    assert errors.percent(errors.wrong_s) is None


utterances = st.lists(
    st.builds(
        NamedUtterance,
        truth=st.sampled_from("ABC"),
        speech_s=st.floats(0.1, 10.0),
        label=st.none() | st.sampled_from("xyz"),
    ),
    max_size=20,
)


@given(utterances)
def test_what_labels_are_called_does_not_matter(said: list[NamedUtterance]) -> None:
    renamed = [
        NamedUtterance(
            one.truth, one.speech_s, None if one.label is None else {"x": "z", "y": "x", "z": "y"}[one.label]
        )
        for one in said
    ]
    assert count_naming_errors(renamed).wrong_s == pytest.approx(count_naming_errors(said).wrong_s)
    right = [NamedUtterance(one.truth, one.speech_s, f"speaker {one.truth}") for one in said]
    assert count_naming_errors(right).wrong_s == pytest.approx(0.0)
