from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Segment, Word
from deployments.refinement.punctuation import ends_sentence, punctuated, unpunctuated

pytestmark = pytest.mark.unit


def segments(*texts: str) -> list[Segment]:
    made, at_s = [], 0.0
    for text in texts:
        words = tuple(Word(part, at_s + index, at_s + index + 0.9, 0.9) for index, part in enumerate(text.split()))
        made.append(Segment(at_s, at_s + len(words), text, "en", words, "SPEAKER_00"))
        at_s += len(words)
    return made


def text_of(refined: Sequence[Segment]) -> str:
    return " ".join(segment.text for segment in refined)


@pytest.mark.parametrize(
    ("heard", "written"),
    [
        ("hello there. how are you", "Hello there. How are you."),
        ("it is i'm sure i did", "It is I'm sure I did."),
        ("wait.. what?! no,,", "Wait. What? No."),
        ("well , that is it .", "Well, that is it."),
        ("Mr. smith met dr. jones", "Mr. smith met dr. jones."),
        ('he said "go."  and left', 'He said "go." And left.'),
        ("iPhone sales rose. eBay fell.", "iPhone sales rose. eBay fell."),
        ("5 is a number. 3.5 is one", "5 is a number. 3.5 is one."),
        ("so and then,", "So and then."),
        ("", ""),
    ],
)
def test_text_reads_well(heard: str, written: str) -> None:
    assert text_of(punctuated(segments(heard) if heard else [])) == written


def test_a_sentence_may_run_over_segments() -> None:
    refined = punctuated(segments("this is one", "sentence. and another"))
    assert [segment.text for segment in refined] == ["This is one", "sentence. And another."]


@pytest.mark.parametrize(
    ("heard", "written"),
    [
        ("Hello, there. How are you?", "Hello there How are you"),
        ("It's well-known; 3.5 % of $5.", "It's well-known 3.5 % of $5"),
        ("- yes -", "yes"),
    ],
)
def test_marks_can_be_left_out(heard: str, written: str) -> None:
    assert text_of(unpunctuated(segments(heard))) == written


WORDS = st.lists(
    st.one_of(
        st.sampled_from(["i", "hello", "Mr.", "well,", "so...", "?!", ",", "3.5", "don't", "it.", "(yes)", "iPhone"]),
        st.text(st.characters(categories=("L", "N", "P"), max_codepoint=0x2FF), min_size=1, max_size=8),
    ),
    max_size=20,
)


@given(st.lists(WORDS, max_size=4))
def test_refining_changes_no_letters_times_or_speakers(texts: list[list[str]]) -> None:
    before = segments(*(" ".join(words) for words in texts if words))
    after = punctuated(before)

    def letters(refined: Sequence[Segment]) -> str:
        return "".join(character for character in text_of(refined).casefold() if character.isalnum())

    assert letters(after) == letters(before)
    assert len(after) == len(before)
    starts = {word.start_s for segment in before for word in segment.words}
    for segment in after:
        assert segment.text == " ".join(word.text for word in segment.words)
        assert {word.start_s for word in segment.words} <= starts
        assert segment.speaker == "SPEAKER_00"


@given(st.lists(WORDS, max_size=4))
def test_refining_twice_changes_nothing_more(texts: list[list[str]]) -> None:
    once = punctuated(segments(*(" ".join(words) for words in texts if words)))
    assert punctuated(once) == once


@pytest.mark.parametrize(
    ("text", "ends"), [("end.", True), ("end?", True), ('end."', True), ("Mr.", False), ("a,", False)]
)
def test_ends_of_sentences(text: str, ends: bool) -> None:
    assert ends_sentence(text) is ends
