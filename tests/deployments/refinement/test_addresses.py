from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.refinement.addresses import with_addresses
from tests.deployments.refinement.rewritten import check_rewriting, segment, segments_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ("go to Example dot com.", "go to example.com."),
        ("www dot example dot org", "www.example.org"),
        ("look at example dot co dot uk, please", "look at example.co.uk, please"),
        ("write to Ada dot Lovelace at example dot com", "write to ada.lovelace@example.com"),
        ("ada at gmail dot com", "ada@gmail.com"),
        ("visit rayscribe dot dev, or docs dot rayscribe dot dev!", "visit rayscribe.dev, or docs.rayscribe.dev!"),
        ("into the dot com, the dot example dot org", "into the dot com, the dot example.org"),
        ("at example dot com at night", "at example.com at night"),
    ],
)
def test_addresses_are_written_as_such(heard: str, text: str) -> None:
    assert with_addresses([segment(heard)])[0].text == text


@pytest.mark.parametrize(
    "heard",
    [
        "a dot on the i",
        "the dot in the middle",
        "dot com",
        "the dot dot com boom",
        "polka dot, com",
        "connect dot to dot",
        "The dot com bubble",
        "we use dot net core and dot net framework",
    ],
)
def test_other_dots_stay(heard: str) -> None:
    assert with_addresses([segment(heard)])[0].text == heard


def test_only_english_says_dot() -> None:
    before = segment("example dot com", "de")
    assert with_addresses([before]) == (before,)


HEARD = st.sampled_from(
    ["dot", "at", "com", "org", "example", "Ada", "gmail", "co", "uk", "dot,", "(www", "the", "i", "5", "é"]
)


@given(st.lists(st.lists(HEARD, min_size=1, max_size=10), max_size=3))
def test_addresses_change_nothing_else(texts: list[list[str]]) -> None:
    check_rewriting(segments_of(texts, "en"), with_addresses)
