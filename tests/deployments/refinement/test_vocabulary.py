from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import RefinementTask, Segment, Vocabulary, VocabularyTerm, Word
from deployments.errors import Cancelled
from deployments.refinement.deployment import Refiner, RefinerConfig
from deployments.refinement.terms import Term, made_ready
from deployments.refinement.vocabulary import boosted

pytestmark = pytest.mark.unit

TERMS = (
    *("Rayscribe", "FastAPI", "PyTorch", "Kubernetes", "Ray", "Serve", "Anna", "Postgres", "metformin", "GraphQL"),
    *("Whittemore", "Iran", "Siobhán", "McDonald", "C++", "हिन्दी"),
)


def segment(text: str, confidence: float = 0.7, speaker: str = "SPEAKER_00", start_s: float = 0.0) -> Segment:
    texts = text.split()
    words = tuple(
        Word(part, start_s + index, start_s + index + 0.9, confidence, speaker) for index, part in enumerate(texts)
    )
    return Segment(start_s, start_s + len(texts), text, "en", words, speaker)


def vocabulary(*terms: str, weight: float = 1.5) -> tuple[Term, ...]:
    return made_ready(Vocabulary.of(VocabularyTerm(term, weight) for term in terms))


def boosted_text(text: str, *terms: str, confidence: float = 0.7, weight: float = 1.5) -> str:
    return boosted([segment(text, confidence)], vocabulary(*(terms or TERMS), weight=weight))[0].text


@pytest.mark.parametrize(
    ("heard", "written"),
    [
        ("we call it ray scribe now", "we call it Rayscribe now"),
        ("a race cribe demo", "a Rayscribe demo"),
        ("written with fast a p i today", "written with FastAPI today"),
        ("written with fast A. P. I. today", "written with FastAPI. today"),
        ("in pie torch.", "in PyTorch."),
        ("runs on Cooper Netties, mostly", "runs on Kubernetes, mostly"),
        ("a post grass table", "a Postgres table"),
        ("met forming helps", "metformin helps"),
        ("the graph q l schema", "the GraphQL schema"),
        ("Mr. Whitmore said", "Mr. Whittemore said"),
        ("hello Whitmore's wife", "hello Whittemore's wife"),
        ("“rayscribe”, they say", "“Rayscribe”, they say"),
        ("ask Siobhan.", "ask Siobhán."),
        ("old mc donald had", "old McDonald had"),
        ("मैं हिन्दि। बोलता", "मैं हिन्दी। बोलता"),
        ("in c++, too", "in C++, too"),
    ],
)
def test_a_mishearing_becomes_the_term(heard: str, written: str) -> None:
    assert boosted_text(heard) == written


@pytest.mark.parametrize(
    "heard",
    [
        "turn right on the way to pay the rate",
        "the server serves what was served and served it well",
        "Maria and a friend in a hurry",
        "I ran home and an owl sang",
        "torch the post office",
        "the fast lane",
        "we rescued him",
        "transcribe this",
    ],
)
def test_other_words_stay(heard: str) -> None:
    assert boosted_text(heard, confidence=0.9) == heard


@pytest.mark.parametrize("heard", ["the way home", "a right turn", "Joe and a dog", "she is serving"])
def test_a_short_term_takes_no_word_that_only_resembles_it_even_if_the_word_is_unsure(heard: str) -> None:
    assert boosted_text(heard, "Ray", "Anna", "Serve", confidence=0.3) == heard


def test_the_surer_the_word_the_closer_it_has_to_be() -> None:
    assert boosted_text("Elisa sings", "Alisa", confidence=0.5) == "Alisa sings"
    assert boosted_text("Elisa sings", "Alisa", confidence=0.95) == "Elisa sings"


def test_weight_lowers_the_bar() -> None:
    assert boosted_text("of nuclear deterrence", "deterrents", confidence=0.92) == "of nuclear deterrence"
    assert boosted_text("of nuclear deterrence", "deterrents", confidence=0.92, weight=10.0) == "of nuclear deterrents"


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.5, 10.0, 1e9])
def test_no_weight_makes_anything_a_term(weight: float) -> None:
    assert boosted_text("a word like any other", weight=weight) == "a word like any other"


def test_one_word_for_a_run_covers_its_time_and_has_its_mean_confidence() -> None:
    heard = (Word("use", 0.0, 0.4, 0.9), Word('"pie', 0.5, 0.8, 0.4), Word('torch",', 0.9, 1.3, 0.8))
    (after,) = boosted([Segment(0.0, 2.0, 'use "pie torch",', "en", heard)], vocabulary("PyTorch"))
    assert after.text == 'use "PyTorch",'
    assert after.words == (
        heard[0],
        Word('"PyTorch",', 0.5, 1.3, (0.4 + 0.8) / 2, boosted=True, original="pie torch"),
    )


def test_a_word_that_is_the_term_is_boosted_and_has_no_original() -> None:
    (after,) = boosted([segment("In kubernetes.")], vocabulary("Kubernetes"))
    assert after.words[1] == Word("Kubernetes.", 1.0, 1.9, 0.7, "SPEAKER_00", boosted=True)


def test_terms_of_several_words_are_matched_word_by_word_where_as_many_were_heard() -> None:
    (after,) = boosted([segment("crossing brooklin bridge now")], vocabulary("Brooklyn Bridge"))
    assert [(word.text, word.original, word.start_s) for word in after.words if word.boosted] == [
        ("Brooklyn", "brooklin", 1.0),
        ("Bridge", None, 2.0),
    ]


def test_terms_of_several_words_divide_the_time_of_one_by_letters() -> None:
    (after,) = boosted([segment("a shopboy, then")], vocabulary("shop boy"))
    assert [(word.text, word.original) for word in after.words if word.boosted] == [
        ("shop", "shopboy"),
        ("boy,", "shopboy"),
    ]
    shop, boy = after.words[1:3]
    assert (shop.start_s, boy.end_s) == (1.0, 1.9)
    assert shop.end_s == boy.start_s == pytest.approx(1.0 + 0.9 * 4 / 7)


def test_a_mark_that_the_term_brings_along_is_not_doubled() -> None:
    assert boosted_text("search yahoo! now", "Yahoo!") == "search Yahoo! now"


def test_of_two_terms_the_likelier_wins() -> None:
    assert boosted_text("dear Whitmore", "Whittemore", "Whitmore") == "dear Whitmore"
    assert boosted_text("a ray scribe", "Ray", "Rayscribe") == "a Rayscribe"
    assert boosted_text("in new york city", "York", "New York City", "New York") == "in New York City"


def test_no_term_across_speakers() -> None:
    words = (*segment("say pie").words, *segment("torch it", speaker="SPEAKER_01", start_s=2.0).words)
    before = Segment(0.0, 4.0, "say pie torch it", "en", words)
    assert boosted([before], vocabulary("PyTorch")) == (before,)


def test_no_term_across_a_pause_of_over_a_second() -> None:
    words = (Word("pie", 0.0, 0.5, 0.7), Word("torch", 1.6, 2.0, 0.7))
    before = Segment(0.0, 2.0, "pie torch", "en", words)
    assert boosted([before], vocabulary("PyTorch")) == (before,)


@pytest.mark.parametrize("heard", ["I like pie. Torch it", "some pie, torch it", "pie (torch it)"])
def test_no_term_across_marks(heard: str) -> None:
    assert boosted_text(heard, "PyTorch") == heard


def test_other_scripts_are_compared_by_spelling() -> None:
    assert boosted_text("она из Екатеринбурк сегодня", "Екатеринбург") == "она из Екатеринбург сегодня"
    assert boosted_text("она из города сегодня", "Екатеринбург") == "она из города сегодня"


@pytest.mark.parametrize("term", ["", "  ", "?!", "…"])
def test_a_term_that_nobody_can_say_changes_nothing(term: str) -> None:
    before = segment("well ... what ?!")
    assert boosted([before], vocabulary(term)) == (before,)


def test_cancelled_work_stops() -> None:
    with pytest.raises(Cancelled):
        boosted([segment("ray scribe")], vocabulary("Rayscribe"), lambda: True)


def test_many_terms_are_compared_a_few_words_at_a_time() -> None:
    asked = []

    def should_stop() -> bool:
        asked.append(True)
        return False

    words = " ".join(f"word{at}" for at in range(300))
    boosted([segment(words)], vocabulary(*(f"Term{at}" for at in range(5_000))), should_stop)
    # Of 1 200 runs and 10 000 spellings all pairs at once would be 48 MiB.
    assert len(asked) >= 3


async def test_the_refiner_boosts_and_puts_a_capital_where_a_sentence_begins() -> None:
    task = RefinementTask(vocabulary=Vocabulary.of([VocabularyTerm("Kubernetes"), VocabularyTerm("metformin")]))
    refined = await Refiner(RefinerConfig()).refine((segment("met forming helps. so does cooper netties"),), task)
    assert refined.segments[0].text == "Metformin helps. So does Kubernetes."


HEARD = st.sampled_from(
    segment(
        "ray scribe, Rayscribe race cribe fast a p I api pie torch. Cooper netties whitmore's and a Anna ... ♪♪ “new"
        " york” yorke city server way e-mail и здесь हिन्दी।"
    ).text.split()
)
SEGMENTS = st.lists(
    st.lists(st.tuples(HEARD, st.floats(0, 1), st.sampled_from([0.0, 0.3, 1.5]), st.sampled_from("AB")), max_size=12),
    max_size=3,
)
VOCABULARY = st.lists(
    st.builds(
        VocabularyTerm,
        st.sampled_from([*TERMS, "New York", "York City", "Anna Whittemore", "здесь", "e-mail", "?"]),
        st.floats(0, 20),
    ),
    max_size=6,
)


def made(drawn: Sequence[Sequence[tuple[str, float, float, str]]]) -> list[Segment]:
    segments, at_s = [], 0.0
    for parts in drawn:
        start_s, words = at_s, []
        for text, confidence, pause_s, speaker in parts:
            words.append(Word(text, at_s + pause_s, at_s + pause_s + 0.4, confidence, speaker))
            at_s = words[-1].end_s
        segments.append(Segment(start_s, at_s, " ".join(word.text for word in words), "en", tuple(words)))
    return segments


@given(SEGMENTS, VOCABULARY)
def test_only_words_of_replaced_runs_change(
    drawn: list[list[tuple[str, float, float, str]]], terms: list[VocabularyTerm]
) -> None:
    segments = made(drawn)
    after = boosted(segments, made_ready(Vocabulary.of(terms)))
    assert len(after) == len(segments)
    for before, changed in zip(segments, after, strict=True):
        assert changed.text == " ".join(word.text for word in changed.words)
        assert (changed.start_s, changed.end_s, changed.language) == (before.start_s, before.end_s, before.language)
        assert all(word in before.words for word in changed.words if not word.boosted)
        for word in changed.words:
            assert before.start_s <= word.start_s <= word.end_s <= before.end_s
            heard = [other for other in before.words if other.start_s < word.end_s and word.start_s < other.end_s]
            assert {other.speaker for other in heard} == {word.speaker}
        for first, second in pairwise(changed.words):
            assert first.end_s <= second.start_s
        kept = [word for word in before.words if word in changed.words]
        assert kept == [word for word in changed.words if not word.boosted]
        if before.words:
            assert (changed.words[0].start_s, changed.words[-1].end_s) == (
                before.words[0].start_s,
                before.words[-1].end_s,
            )


@given(SEGMENTS, VOCABULARY)
def test_boosting_twice_changes_nothing_more(
    drawn: list[list[tuple[str, float, float, str]]], given_terms: list[VocabularyTerm]
) -> None:
    terms = made_ready(Vocabulary.of(given_terms))
    once = boosted(made(drawn), terms)
    assert boosted(once, terms) == once


@given(SEGMENTS)
def test_without_terms_nothing_changes(drawn: list[list[tuple[str, float, float, str]]]) -> None:
    segments = made(drawn)
    assert boosted(segments, ()) == tuple(segments)


@pytest.mark.parametrize(("language", "written"), [("en", "auf Kubernetes hier"), ("de", "auf Cooper Netties hier")])
def test_sound_is_that_of_english_alone(language: str, written: str) -> None:
    heard = replace(segment("auf Cooper Netties hier"), language=language)
    assert boosted([heard], vocabulary("Kubernetes"))[0].text == written


@pytest.mark.parametrize(
    ("language", "heard", "term", "written"),
    [
        ("de", "auf Kubernetis hier", "Kubernetes", "auf Kubernetes hier"),
        ("hi", "हम कुबरनेटीज चलाते", "कुबेरनेटीज़", "हम कुबेरनेटीज़ चलाते"),
        ("zh", "我 在 北 京 大 学 学习", "北京大学", "我在北京大学学习"),
        ("ja", "今日 は プログラミグ を 学ぶ", "プログラミング", "今日はプログラミングを学ぶ"),
    ],
)
def test_spelling_is_compared_in_every_language(language: str, heard: str, term: str, written: str) -> None:
    (after,) = boosted([replace(segment(heard, confidence=0.4), language=language)], vocabulary(term))
    assert after.text == written


def test_what_another_rule_replaced_before_is_still_what_was_heard() -> None:
    before = segment("ray scribe")
    words = (before.words[0], replace(before.words[1], original="skript"))
    (after,) = boosted([replace(before, words=words)], vocabulary("Rayscribe"))
    assert after.words[0].original == "ray skript"
