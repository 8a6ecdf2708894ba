from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import RefinementContext, RefinementTask, Vocabulary, VocabularyTerm
from deployments.errors import Cancelled
from deployments.refinement.deployment import Refiner, RefinerConfig
from deployments.refinement.hints import hint_terms
from deployments.refinement.rewording import without_marks
from deployments.refinement.rules import refined_by_rules
from deployments.text_joining import joined_words
from tests.deployments.refinement.rewritten import segment, segments_of

pytestmark = pytest.mark.unit

EVERYTHING = RefinementTask(
    vocabulary=Vocabulary.of([VocabularyTerm("Kubernetes")]), numerals=True, script_correction=True
)


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (RefinementTask(), "Twenty five percent of cooper netties café."),
        (RefinementTask(punctuate=False), "twenty five percent of cooper netties café"),
        (RefinementTask(numerals=True), "25% of cooper netties café."),
        (EVERYTHING, "25% of Kubernetes café."),
    ],
)
def test_each_rule_is_asked_for(task: RefinementTask, text: str) -> None:
    heard = segment("twenty five percent of cooper netties cafe\u0301,")
    assert refined_by_rules((heard,), task)[0].text == text


def test_scripts_are_corrected_before_terms_are_looked_for() -> None:
    task = RefinementTask(vocabulary=Vocabulary.of([VocabularyTerm("ज़िन्दगी")]), script_correction=True)
    (after,) = refined_by_rules((segment("meri zindagi", "hi"),), task)
    assert after.text == "मेरी ज़िन्दगी।"
    assert [(word.boosted, word.original) for word in after.words] == [(False, "meri"), (True, "zindagi")]


async def test_a_context_has_hesitations_left_out() -> None:
    heard = (segment("um we go. uh where"),)
    assert (await Refiner(RefinerConfig()).refine(heard, RefinementTask())).segments[0].text == "Um we go. Uh where."
    asked = RefinementTask(context=RefinementContext(text="a walk"))
    assert (await Refiner(RefinerConfig()).refine(heard, asked)).segments[0].text == "We go. Where."


def test_cancelled_work_stops() -> None:
    with pytest.raises(Cancelled):
        refined_by_rules((segment("cooper netties"),), EVERYTHING, lambda: True)


def test_hints_are_the_first_terms_each_once() -> None:
    vocabulary = [VocabularyTerm(f"term {index // 2}", weight=index + 1) for index in range(100)]
    assert hint_terms([VocabularyTerm("  "), VocabularyTerm(" a  b "), *vocabulary])[:2] == ("a b", "term 0")
    assert len(hint_terms(vocabulary)) == 30


HEARD = st.sampled_from(
    [
        *(
            "twenty",
            "five",
            "percent,",
            "example",
            "dot",
            "com.",
            "cooper",
            "netties",
            "main",
            "ghar",
            "मैं",
            "२५",
            "نام",
        ),
        *("um", "i", "?!", "you're", "“so”", "n०", "你好", "。", "ไทย", "café"),
    ]
)


@given(st.lists(st.lists(HEARD, min_size=1, max_size=10), max_size=3), st.sampled_from(["en", "hi", "zh", "th", "fr"]))
def test_all_rules_together_keep_times_in_order_and_the_text_its_words(texts: list[list[str]], language: str) -> None:
    before = segments_of(texts, language)
    after = refined_by_rules(before, EVERYTHING)
    kept = {segment.start_s for segment in after}
    spoken = [segment for segment in before if segment.start_s in kept]
    assert not any(without_marks(word.text) for segment in before if segment not in spoken for word in segment.words)
    assert all(segment.words for segment in after)
    for old, new in zip(spoken, after, strict=True):
        assert new.text == joined_words(word.text for word in new.words)
        last_s = old.start_s
        for word in new.words:
            assert last_s <= word.start_s < word.end_s <= old.end_s
            last_s = word.end_s
