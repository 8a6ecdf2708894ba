from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.refinement.fillers import without_fillers
from deployments.text_joining import joined_words
from tests.deployments.refinement.rewritten import segment, segments_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("language", "heard", "text"),
    [
        ("en", "Um, I think uh we should, uhm, go uh.", "I think we should, go."),
        ("en", "Yes. Uh, so we go.", "Yes. So we go."),
        ("en", "is it, um?", "is it?"),
        ("en", "umbrella under a hmong hum", "umbrella under a hmong hum"),
        ("en", "5 mm long, mm, by 12 mm. Mm, 3, mm", "5 mm long, by 12 mm. 3,"),
        ("en", "To err is human, errr", "To err is human, errr"),
        ("de", "Äh, er kam ähm um acht", "Er kam um acht"),
        ("fr", "Euh oui, il a eu peur", "Oui, il a eu peur"),
        ("ja", "um え", "umえ"),
    ],
)
def test_hesitations_are_left_out(language: str, heard: str, text: str) -> None:
    assert without_fillers([segment(heard, language)])[0].text == text


def test_a_segment_of_nothing_else_is_left_out() -> None:
    kept = segment("yes")
    assert without_fillers([segment("Hmm. Uh."), kept]) == (kept,)


HEARD = st.sampled_from(
    ["um", "Uh,", "uhm.", "hmm?", "mm", "5", "5.", "word", "Word,", "end.", "er", "so", "(uh)", "um—", "...", "I"]
)


@given(st.lists(st.lists(HEARD, min_size=1, max_size=8), max_size=3))
def test_all_other_words_stay_where_they_are(texts: list[list[str]]) -> None:
    before = segments_of(texts, "en")
    after = without_fillers(before)
    assert without_fillers(after) == after
    heard = {word.start_s: word for each in before for word in each.words}
    for each in after:
        assert each.text == joined_words(word.text for word in each.words)
        for word in each.words:
            old = heard[word.start_s]
            assert (word.end_s, word.speaker, word.confidence) == (old.end_s, old.speaker, old.confidence)
            assert word.text.strip(".,?—)").casefold() == old.text.strip(".,?—)").casefold()
