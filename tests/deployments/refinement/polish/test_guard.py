from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from deployments.contracts import RefinementContext, Segment
from deployments.refinement.polish.application import edited
from deployments.refinement.polish.context_words import context_words
from deployments.refinement.polish.edits import Edit
from deployments.refinement.polish.guard import Guard, Refusal
from deployments.refinement.polish.passages import Passage, doubtful_words, passages_of
from deployments.refinement.polish.protected_words import negations_in, numbers_in
from deployments.refinement.sound_alike import spelling_key
from tests.fakes.language_model import doubtful_segment

pytestmark = pytest.mark.unit

CONTEXT = RefinementContext(
    (("team", "platform, with Anna Schmidt"),), "We run Grafana boards. They watch it.", ("Kubernetes", "Ray Serve")
)


def passage(*segments: Segment | str) -> Passage:
    (only,) = passages_of([doubtful_segment(each) if isinstance(each, str) else each for each in segments])
    return only


def guard(context: RefinementContext = CONTEXT, rate: float = 1.0) -> Guard:
    return Guard(context_words(context), rate)


def edit(at: int, old: str, new: str) -> Edit:
    return Edit(at, tuple(old.split()), tuple(new.split()))


def polished(text: str, *edits: Edit, context: RefinementContext = CONTEXT) -> str:
    before = passage(text)
    verdict = guard(context).judged(before, edits)
    assert not verdict.refused
    return edited(before, verdict.accepted)[0].text


@pytest.mark.parametrize(
    ("text", "change", "after"),
    [
        ("put it over their? please", edit(3, "their", "there"), "put it over there please"),
        ("deploy to cuber? netties? now", edit(2, "cuber netties", "Kubernetes"), "deploy to Kubernetes now"),
        ("deploy to cuber netties now", edit(2, "cuber netties", "Kubernetes"), "deploy to Kubernetes now"),
        ("Cuber netties, is up", edit(0, "cuber netties", "Kubernetes"), "Kubernetes, is up"),
        ("look at graph? on? a", edit(2, "graph on a", "Grafana"), "look at Grafana"),
        ("the rayserve replica", edit(1, "rayserve", "Ray Serve"), "the Ray Serve replica"),
        ("a data? base of it", edit(1, "data base", "database"), "a database of it"),
        ("Polices? are strict", edit(0, "polices", "policies"), "Policies are strict"),
        ("ask anna shmidt? about it", edit(1, "anna shmidt", "anna Schmidt"), "ask anna Schmidt about it"),
        ("the kubernetes cluster", edit(1, "kubernetes", "Kubernetes"), "the Kubernetes cluster"),
        ("put it over their? now", edit(2, "over their now", "over there now"), "put it over there now"),
        ("put it over their?, now", edit(3, "their?,", "there,"), "put it over there, now"),
    ],
)
def test_what_was_misheard_is_put_right(text: str, change: Edit, after: str) -> None:
    assert polished(text, change) == after


@pytest.mark.parametrize(
    ("text", "change", "why"),
    [
        ("put it over their?", edit(4, "their", "there"), Refusal.PLACE),
        ("put it over their?", edit(2, "their", "there"), Refusal.PLACE),
        ("put it over their?", edit(9, "their", "there"), Refusal.PLACE),
        ("put it over their?", edit(3, "", "there"), Refusal.PLACE),
        ("put it over their?", edit(3, "their", ""), Refusal.CHARACTERS),
        ("put it over their?", edit(3, "their", "…"), Refusal.CHARACTERS),
        ("put it over their?", edit(3, "their", "<b>there</b>"), Refusal.CHARACTERS),
        ("put it over their?", edit(3, "their", "http://there"), Refusal.CHARACTERS),
        ("put it over their?", edit(3, "their", "the\u202ere"), Refusal.CHARACTERS),
        ("put it over their?", edit(3, "their", "Their,"), Refusal.SAME),
        ("take two? of them", edit(1, "two", "to"), Refusal.NUMBER),
        ("go to? them", edit(1, "to", "two"), Refusal.NUMBER),
        ("fifteen? or so", edit(0, "fifteen", "fifty"), Refusal.NUMBER),
        ("it costs 15? euros", edit(2, "15", "50"), Refusal.NUMBER),
        ("it is twenty-five? now", edit(2, "twenty-five", "twenty-nine"), Refusal.NUMBER),
        ("do not? go", edit(1, "not", "now"), Refusal.NEGATION),
        ("do now? go", edit(1, "now", "not"), Refusal.NEGATION),
        ("you can't? go", edit(1, "can't", "can"), Refusal.NEGATION),
        ("that is legal? here", edit(2, "legal", "illegal"), Refusal.NEGATION),
        ("he has hypotension? here", edit(2, "hypotension", "hypertension"), Refusal.NEGATION),
        ("put it over their?", edit(3, "their", "тhere"), Refusal.SCRIPT),
        ("put it over their?", edit(3, "their", "देयर"), Refusal.SCRIPT),
        ("put it over their?", edit(3, "their", "there is"), Refusal.WORD_COUNT),
        ("to? cuber? netties?", edit(0, "to cuber netties", "Kubernetes"), Refusal.WORD_COUNT),
        ("I guess? so", edit(0, "I guess", "guess"), Refusal.WORD_COUNT),
        ("the house is big", edit(1, "house", "horse"), Refusal.CONFIDENT),
        ("the house? shop is big", edit(1, "house shop", "horse chop"), Refusal.CONFIDENT),
        ("i live in paris?", edit(3, "paris", "London"), Refusal.SOUND),
        ("i met a bomber?", edit(3, "bomber", "Obama"), Refusal.SOUND),
        ("we met alon? there", edit(2, "alon", "Elton"), Refusal.SOUND),
        ("the sheets? there", edit(1, "sheets", "Kubernetes"), Refusal.SOUND),
    ],
)
def test_what_changes_the_meaning_or_was_not_heard_is_refused(text: str, change: Edit, why: Refusal) -> None:
    verdict = guard().judged(passage(text), [change])
    assert (verdict.accepted, verdict.reasons) == ((), (why,))


@pytest.mark.parametrize(
    ("language", "text", "change", "why"),
    [
        ("de", "das ist dreihundertvier? wert", edit(2, "dreihundertvier", "dreihundertacht"), Refusal.NUMBER),
        ("de", "das ist nicht? so", edit(2, "nicht", "Licht"), Refusal.NEGATION),
        ("hi", "वह नहीं? आया", edit(1, "नहीं", "यहीं"), Refusal.NEGATION),
        ("hi", "दो? लोग", edit(0, "दो", "दस"), Refusal.NUMBER),
        ("hi", "पैंतीस? हजार लोग", edit(0, "पैंतीस", "पैंतालीस"), Refusal.NUMBER),
        ("es", "son veintidós? euros", edit(1, "veintidós", "veintitrés"), Refusal.NUMBER),
        ("hi", "यह काम? है", edit(1, "काम", "kaam"), Refusal.SCRIPT),
    ],
)
def test_other_languages_have_their_own_numbers_and_negations(
    language: str, text: str, change: Edit, why: Refusal
) -> None:
    assert guard().judged(passage(doubtful_segment(text, language)), [change]).reasons == (why,)


def test_a_name_that_the_context_has_may_sound_a_little_different() -> None:
    change = edit(2, "alon", "Elon")
    near = edit(2, "alone", "Allan")
    assert not guard().judged(passage("we met alon? there"), [change]).refused
    without = guard().judged(passage("we met alone? there"), [near])
    named = guard(RefinementContext(text="a call with allan")).judged(passage("we met alone? there"), [near])
    assert (without.reasons, named.reasons) == ((Refusal.SOUND,), ())


def test_a_word_of_the_callers_vocabulary_is_left_alone() -> None:
    segment = doubtful_segment("so Kivo? said", boosted="Kivo?")
    assert guard().judged(passage(segment), [edit(1, "Kivo", "Kiwo")]).reasons == (Refusal.VOCABULARY,)


def test_an_edit_does_not_reach_into_another_segment() -> None:
    two = passage("deploy to cuber?", "netties? now")
    verdict = guard().judged(two, [edit(2, "cuber netties", "Kubernetes")])
    assert verdict.reasons == (Refusal.PLACE,)


def test_of_two_edits_of_one_word_the_first_is_made() -> None:
    edits = [edit(3, "their", "there"), edit(3, "their", "they're"), edit(2, "over their", "ofer there")]
    verdict = guard().judged(passage("put it over? their?"), edits)
    assert (verdict.accepted, verdict.reasons) == ((edits[0],), (Refusal.OVERLAP, Refusal.OVERLAP))


def test_a_model_that_rewrites_is_not_believed_at_all() -> None:
    words = [f"their{letter}?" for letter in "abcdefghijklmnopqrst"]
    edits = [edit(at, f"their{letter}", f"there{letter}") for at, letter in enumerate("abcd")]
    before = passage(" ".join(words))
    assert guard(rate=0.2).judged(before, edits).accepted == tuple(edits)
    verdict = guard(rate=0.15).judged(before, edits)
    assert (verdict.accepted, verdict.reasons) == ((), (Refusal.EDIT_RATE,) * 4)


def test_times_speakers_and_marks_survive() -> None:
    before = passage("Deploy to cuber? netties?, and look their?")
    edits = [edit(2, "cuber netties", "Kubernetes"), edit(6, "their", "there")]
    (after,) = edited(before, guard().judged(before, edits).accepted)
    assert after.text == "Deploy to Kubernetes, and look there"
    assert [(word.text, word.start_s, word.end_s, word.original) for word in after.words[2:]] == [
        ("Kubernetes,", 2.0, 3.8, "cuber netties"),
        ("and", 4.0, 4.8, None),
        ("look", 5.0, 5.8, None),
        ("there", 6.0, 6.8, "their"),
    ]
    assert after.words[2].confidence == pytest.approx(0.4)


def test_a_word_in_the_casing_of_its_term_has_no_original() -> None:
    before = passage("the kubernetes cluster")
    (after,) = edited(before, guard().judged(before, [edit(1, "kubernetes", "Kubernetes")]).accepted)
    assert (after.words[1].text, after.words[1].original) == ("Kubernetes", None)


def test_a_word_that_becomes_two_divides_its_time() -> None:
    before = passage("the rayserve, replica")
    (after,) = edited(before, guard().judged(before, [edit(1, "rayserve", "Ray Serve")]).accepted)
    first, second = after.words[1:3]
    assert (first.text, second.text) == ("Ray", "Serve,")
    assert first.start_s == 1.0
    assert first.end_s == second.start_s
    assert second.end_s == pytest.approx(1.8)
    assert (first.original, second.original) == ("rayserve", "rayserve")


def test_what_is_in_doubt() -> None:
    text = "please? deploy to cuber netties and not Kubernetes or rayserve"
    assert doubtful_words(passage(text), context_words(CONTEXT)) == {0, 3, 4, 9}


def test_names_in_running_text_are_terms() -> None:
    known = context_words(RefinementContext((("who", "the Anna Schmidt team"),), "Please call. This is for FastAPI."))
    assert set(known.terms) == {"anna schmidt", "anna", "schmidt", "fastapi", "fast api"}
    assert {"please", "team", "anna"} <= known.mentioned


HEARD = [
    "put",
    "it",
    "over",
    "their?",
    "there",
    "they're",
    "not?",
    "now",
    "two?",
    "to",
    "fifteen?",
    "50?",
    "can't",
    "can",
    "legal?",
    "illegal",
    "cuber?",
    "netties?",
    "graph",
    "on",
    "a?",
    "Anna",
    "shmidt?",
    "нет?",
    "нить",
    "हिन्दी?",
    "bombers?",
    "horse?",
    "house,",
]
NEW = [word.strip("?,") for word in HEARD] + ["Kubernetes", "Grafana", "Schmidt", "Ray", "Serve", "<b>", "…", "", "x y"]
EDITS = st.lists(
    st.builds(
        lambda at, count, new: (at, count, new),
        st.integers(0, 9),
        st.integers(1, 3),
        st.lists(st.sampled_from(NEW), max_size=3),
    ),
    max_size=5,
)


@given(st.lists(st.lists(st.sampled_from(HEARD), min_size=1, max_size=6), min_size=1, max_size=3), EDITS)
def test_whatever_a_model_wants_the_meaning_stays(
    said: list[list[str]], wanted: list[tuple[int, int, list[str]]]
) -> None:
    before = passage(*(doubtful_segment(" ".join(words), start_s=10.0 * at) for at, words in enumerate(said)))
    heard = [word.text for word in before.words]
    edits = [Edit(at, tuple(heard[at : at + count]), tuple(new)) for at, count, new in wanted]
    rate = 0.5
    verdict = guard(rate=rate).judged(before, edits)
    after = edited(before, verdict.accepted)
    assert len(verdict.accepted) + len(verdict.refused) == len(edits)
    for old, new in zip(before.segments, after, strict=True):
        _check_segment(old, new)
    old_keys, new_keys = (
        [spelling_key(word.text) for s in segments for word in s.words] for segments in (before.segments, after)
    )
    assert Levenshtein.distance(old_keys, new_keys) <= max(2, rate * len(heard))


def _check_segment(old: Segment, new: Segment) -> None:
    old_texts, new_texts = [word.text for word in old.words], [word.text for word in new.words]
    assert numbers_in(old_texts, "en") == numbers_in(new_texts, "en")
    assert negations_in(old_texts, "en") == negations_in(new_texts, "en")
    assert (new.start_s, new.end_s, new.language) == (old.start_s, old.end_s, old.language)
    assert new.text == " ".join(new_texts)
    times = [time_s for word in new.words for time_s in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert old.words[0].start_s <= times[0] <= times[-1] <= old.words[-1].end_s
    kept = {(word.text, word.start_s) for word in old.words}
    assert all(
        word.original is not None or (word.text, word.start_s) in kept or spelling_key(word.text) in HEARD_KEYS
        for word in new.words
    )
    assert {word.text for word in new.words if word.original is None} <= {*old_texts, "Kubernetes", "Grafana"}


HEARD_KEYS = {spelling_key(word) for word in HEARD}
