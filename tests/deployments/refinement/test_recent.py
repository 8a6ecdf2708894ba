from __future__ import annotations

import pickle
import pickletools

import pytest

from deployments.contracts import RefinementTask, Vocabulary, VocabularyTerm
from deployments.refinement.recent import Recent
from deployments.refinement.terms import made_ready

pytestmark = pytest.mark.unit


def test_what_was_asked_for_lately_is_not_made_again_and_what_was_not_goes() -> None:
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key * 2

    recent = Recent(make, len, most=10)
    assert [recent(key) for key in ("ab", "cd", "ab", "ef", "ab", "cd")] == [
        "abab",
        "cdcd",
        "abab",
        "efef",
        "abab",
        "cdcd",
    ]
    assert made == ["ab", "cd", "ef", "cd"]


def test_what_is_larger_than_all_that_may_be_kept_is_made_and_not_kept() -> None:
    made: list[int] = []

    def make(key: int) -> str:
        made.append(key)
        return "x" * key

    recent = Recent(make, len, most=10)
    assert [len(recent(key)) for key in (4, 11, 5, 5, 11)] == [4, 11, 5, 5, 11]
    assert made == [4, 11, 5, 11]


VOCABULARY = Vocabulary.of([VocabularyTerm("Kubernetes", 3.0), VocabularyTerm("हिन्दी"), VocabularyTerm("\ud800?", 0.1)])


def test_a_vocabulary_is_its_terms() -> None:
    assert VOCABULARY.terms[0] == VocabularyTerm("Kubernetes", 3.0)
    assert (len(VOCABULARY.terms), VOCABULARY.count) == (3, 3)
    assert Vocabulary.of(VOCABULARY.terms) == VOCABULARY
    assert Vocabulary.of(()) == Vocabulary()
    assert Vocabulary().terms == ()


def test_a_vocabulary_that_comes_again_finds_its_terms_ready() -> None:
    ready = Recent(made_ready, len, most=100)
    first = ready(VOCABULARY)
    assert ready(pickle.loads(pickle.dumps(RefinementTask(vocabulary=VOCABULARY))).vocabulary) is first


def test_a_vocabulary_travels_in_one_piece() -> None:
    task = RefinementTask(vocabulary=Vocabulary.of(VocabularyTerm(f"Term {at}") for at in range(1000)))
    assert sum(1 for _ in pickletools.genops(pickle.dumps(task))) < 100
