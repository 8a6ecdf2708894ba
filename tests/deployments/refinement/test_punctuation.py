from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Segment, Word
from deployments.refinement.punctuation import MARKS, ends_sentence, punctuated, unpunctuated

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
        ("The U.S. government, at 5 p.m. on Tuesday", "The U.S. government, at 5 p.m. on Tuesday."),
        ("A Ph.D. in the U.K. and so on.", "A Ph.D. in the U.K. and so on."),
        ("Well... you know? yes", "Well... you know? Yes."),
        ("See i.e. the i7, and i... i)", "See i.e. the i7, and I... I)."),
    ],
)
def test_text_reads_well(heard: str, written: str) -> None:
    assert text_of(punctuated(segments(heard) if heard else [])) == written


def test_behind_a_segment_a_sentence_begins() -> None:
    refined = punctuated(segments("We were in the U.S.", "and then we left"))
    assert [segment.text for segment in refined] == ["We were in the U.S.", "And then we left."]


def test_a_term_of_the_caller_begins_a_sentence_where_the_word_that_was_heard_did() -> None:
    (before,) = segments("We left. rayscribe is here")
    words = list(before.words)
    for original, written in (("Race", "We left. Rayscribe is here."), ("race", "We left. rayscribe is here.")):
        words[2] = replace(words[2], boosted=True, original=original)
        assert text_of(punctuated([replace(before, words=tuple(words))])) == written


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
    assert len(after) == sum(any(word.text.strip(MARKS) for word in segment.words) for segment in before)
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
    ("text", "ends"), [("end.", True), ("end?", True), ('end."', True), ("Mr.", False), ("a,", False), ("etc.", True)]
)
def test_ends_of_sentences(text: str, ends: bool) -> None:
    assert ends_sentence(text) is ends


@pytest.mark.parametrize(
    ("text", "following", "ends"),
    [
        ("p.m.", "on", False),
        ("p.m.", "(on", False),
        ("p.m.", "On", True),
        ("U.S.", "iPhone", True),
        ("Nr.", "5", False),
        ("M.", "Dupont", False),
        ("there.", "5", True),
        ("go?", "on", True),
    ],
)
def test_a_full_stop_before_a_small_letter_ends_nothing(text: str, following: str, ends: bool) -> None:
    assert ends_sentence(text, Word(following, 0.0, 1.0, 0.9)) is ends


@pytest.mark.parametrize(
    ("language", "heard", "written"),
    [
        ("hi", "हम हिन्दी बोलते हैं", "हम हिन्दी बोलते हैं।"),
        ("hi", "हाँ।। नहीं ।", "हाँ। नहीं।"),
        ("hi", "main ghar ja raha hoon", "Main ghar ja raha hoon."),
        ("hi", "मेरा office", "मेरा office।"),
        ("ur", "یہ کیا ہے؟", "یہ کیا ہے؟"),
        ("ur", "یہ گھر ہے", "یہ گھر ہے۔"),
        ("ar", "نعم ، هذا صحيح", "نعم، هذا صحيح."),
        ("ka", "გამარჯობა მსოფლიო", "გამარჯობა მსოფლიო."),
        ("th", "สวัสดี", "สวัสดี"),
        ("tr", "istanbul güzel", "İstanbul güzel."),
        ("it", "tu e i bambini", "Tu e i bambini."),
        ("hy", "բարև", "Բարև։"),
        ("de", "Tiere wie z. B. die Katze, ca. fünf", "Tiere wie z. B. die Katze, ca. fünf."),
        ("fr", "J'ai vu M. le maire", "J'ai vu M. le maire."),
    ],
)
def test_marks_and_capitals_are_those_of_the_language(language: str, heard: str, written: str) -> None:
    before = [replace(segment, language=language) for segment in segments(heard)]
    assert text_of(punctuated(before)) == written


def test_chinese_gets_neither_spaces_nor_capitals() -> None:
    words = tuple(Word(text, index, index + 0.9, 0.9) for index, text in enumerate(["今天", "，", "天气", "好"]))
    (after,) = punctuated([Segment(0.0, 4.0, "今天，天气好", "zh", words)])
    assert after.text == "今天，天气好。"
    assert [word.text for word in after.words] == ["今天，", "天气", "好。"]
    (bare,) = unpunctuated([after])
    assert bare.text == "今天天气好"


@pytest.mark.parametrize(
    ("heard", "written"),
    [
        ("हिन्दी, में। कमी", "हिन्दी में कमी"),
        ("“ना”", "ना"),
        ("یہ، کیا؟", "یہ کیا"),
        ("நன்றி! வணக்கம்.", "நன்றி வணக்கம்"),
        ("ন্যায়।", "ন্যায়"),
        ("é́, café́.", "é́ café́"),
    ],
)
def test_leaving_marks_out_damages_no_letter(heard: str, written: str) -> None:
    assert text_of(unpunctuated(segments(heard))) == written


INDIC = st.text(st.characters(categories=("L", "M"), min_codepoint=0x900, max_codepoint=0xD7F), min_size=1, max_size=6)


@given(st.lists(INDIC, min_size=1, max_size=8), st.sampled_from([",", "।", "؟", ".", ""]))
def test_vowel_signs_survive_both_ways(words: list[str], mark: str) -> None:
    before = segments(*(word + mark for word in words))
    for refined in (unpunctuated(before), punctuated(before)):
        assert [segment.text.strip(",।؟.") for segment in refined] == words


@pytest.mark.parametrize("text", ["हाँ।", "是。", "什么？", "کیا؟", "ہے۔", "「はい。」"])
def test_other_scripts_end_sentences_too(text: str) -> None:
    assert ends_sentence(text)


def test_a_segment_of_marks_alone_is_left_out_and_the_last_word_before_it_ends_the_text() -> None:
    marks = Segment(1.0, 2.0, "… ,", "en", (Word("…", 1.0, 1.5, 0.9), Word(",", 1.5, 2.0, 0.9)))
    said = Segment(0.0, 1.0, "hello", "en", (Word("hello", 0.0, 1.0, 0.9),))
    assert [segment.text for segment in punctuated([marks, said, marks])] == ["Hello."]
