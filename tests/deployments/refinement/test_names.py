from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.refinement.names import names_in

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("A call about money.", ()),
        ("We speak with Anna Karenina of Rayscribe.", ("Anna Karenina", "Anna", "Karenina", "Rayscribe")),
        ("Today Anna calls. Berlin is far.", ("Anna",)),
        ("KubeRay is new. iPhones ring.", ("KubeRay", "iPhones")),
        ("Mr Li calls Bo.", ()),
        ("mit Jürgen Öztürk", ("Jürgen Öztürk", "Jürgen", "Öztürk")),
        ("we said “Anna”. “Berlin” is far, and\n \t(Rome is: 'Paris", ("Anna",)),
        ('\t"Anna', ()),
    ],
)
def test_names_are_capitals_that_no_sentence_asks_for(text: str, names: tuple[str, ...]) -> None:
    assert names_in(text) == names


@given(st.text(max_size=80))
def test_a_name_stands_in_the_text_and_is_told_once(text: str) -> None:
    names = names_in(text)
    assert len(set(names)) == len(names)
    assert all(name in " ".join(text.split()) for name in names)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "Then Anna met Bert in Rome. " * 10_000,
        "x" + "\n" * 100_000 + "x Anna" * 100,
        "x Anna" + " " * 100_000 + "x Anna",
    ],
    ids=["prose", "blank lines", "blanks"],
)
def test_work_grows_with_the_text_and_not_with_its_square(text: str) -> None:
    # Of the first, squared work takes over five minutes.
    assert "Anna" in names_in(text)
