from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.refinement.polish.edits import MOST_EDITS, Edit, UnreadableAnswer, read_edits
from tests.fakes.language_model import edits_json

pytestmark = pytest.mark.unit

EDIT = {"i": 1, "old": "cuber netties", "new": "Kubernetes"}


def test_edits_are_read_in_their_order() -> None:
    answer = edits_json((4, "cuber netties", "Kubernetes"), (0, "there", "their"))
    assert read_edits(answer) == (Edit(4, ("cuber", "netties"), ("Kubernetes",)), Edit(0, ("there",), ("their",)))


def test_no_edits_are_an_answer() -> None:
    assert read_edits('{"edits": []}') == ()


def test_what_stands_around_the_object_is_passed_over() -> None:
    assert read_edits(f"Here you are:\n```json\n{edits_json((0, 'a', 'b'))}\n```\nAnything else?") == (
        Edit(0, ("a",), ("b",)),
    )


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I would change word 3 to Kubernetes.",
        '{"edits": [{"i": 1, "old": "a", "new"',
        "[]",
        "{}",
        '{"edits": null}',
        '{"edits": {"i": 1}}',
        '{"edits": ["Kubernetes"]}',
        '{"edits": [{"i": "1", "old": "a", "new": "b"}]}',
        '{"edits": [{"i": true, "old": "a", "new": "b"}]}',
        '{"edits": [{"i": -1, "old": "a", "new": "b"}]}',
        '{"edits": [{"i": 1.5, "old": "a", "new": "b"}]}',
        '{"edits": [{"i": 1, "old": ["a"], "new": "b"}]}',
        '{"edits": [{"i": 1, "old": "a"}]}',
        json.dumps({"edits": [EDIT | {"new": "word " * 20}]}),
        json.dumps({"edits": [EDIT] * (MOST_EDITS + 1)}),
        '{"edits":' + "[" * 100_000,
    ],
)
def test_anything_else_is_unreadable(answer: str) -> None:
    with pytest.raises(UnreadableAnswer):
        read_edits(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["edits", "i", "old", "new"]), inner),
    max_leaves=12,
)


@given(JSON)
def test_no_answer_is_anything_but_read_or_unreadable(content: Any) -> None:
    with contextlib.suppress(UnreadableAnswer):
        assert all(edit.first >= 0 for edit in read_edits(json.dumps(content)))


WORDS = st.lists(st.text(st.characters(categories=["L", "P"]), min_size=1, max_size=8), min_size=1, max_size=4)


@given(st.lists(st.tuples(st.integers(0, 500), WORDS, WORDS), max_size=MOST_EDITS), st.text("Sure:`\n", max_size=9))
def test_what_the_schema_allows_is_read(edits: list[tuple[int, list[str], list[str]]], greeting: str) -> None:
    answer = edits_json(*((first, " ".join(old), " ".join(new)) for first, old, new in edits))
    assert read_edits(greeting + answer) == tuple(Edit(first, tuple(old), tuple(new)) for first, old, new in edits)
