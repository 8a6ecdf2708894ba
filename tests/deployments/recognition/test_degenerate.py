from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.recognition.degenerate import repeated_from

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("we will see we will see we will see we will see", "we will see"),
        ("so he said go go go go go go go go", "so he said go"),
        ("Is it? Is it, is it. And then", "Is it?"),
    ],
)
def test_a_loop_is_cut_to_what_was_said_once(text: str, kept: str) -> None:
    words = text.split()
    index = repeated_from(words)
    assert index is not None
    assert words[:index] == kept.split()


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
def test_people_may_repeat_themselves(text: str) -> None:
    assert repeated_from(text.split()) is None


@given(st.lists(st.sampled_from("abcdefgh"), max_size=8), st.integers(1, 6))
def test_what_is_kept_holds_no_loop(prefix: list[str], period: int) -> None:
    loop = [f"w{at}" for at in range(period)] * 8
    index = repeated_from([*prefix, *loop])
    assert index is not None
    assert repeated_from([*prefix, *loop][:index]) is None
