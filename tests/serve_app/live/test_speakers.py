from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import SpeakerCount, Voiceprint
from serve_app.live.speakers import RegisterSettings, SpeakerRegister

pytestmark = pytest.mark.unit

SETTINGS = RegisterSettings()
DIMENSIONS = 8
"""Enough for eight people who sound nothing alike."""


def voice(speaker: int, speech_s: float = 3.0, towards: int | None = None, share: float = 0.0) -> Voiceprint:
    """Of somebody, as far from his usual voice as to have a share of somebody else's."""
    embedding = np.zeros(DIMENSIONS, np.float32)
    embedding[speaker] = 1.0 - share
    if towards is not None:
        embedding[towards] += share
    return Voiceprint(embedding / np.linalg.norm(embedding), speech_s)


def at_similarity(similarity: float, speech_s: float = 3.0) -> Voiceprint:
    """A voice at this cosine of that of speaker 0, and at none of the next ones."""
    embedding = np.zeros(DIMENSIONS, np.float32)
    embedding[0], embedding[-1] = similarity, np.sqrt(1 - similarity**2)
    return Voiceprint(embedding, speech_s)


def labels(voices: list[Voiceprint | None], bounds: SpeakerCount | None = None) -> list[str | None]:
    register = SpeakerRegister(bounds or SpeakerCount())
    return [register.assign(voice) for voice in voices]


@st.composite
def voices(draw: st.DrawFn) -> list[Voiceprint | None]:
    """Any voices of any length, and some that are not known."""
    seed = draw(st.integers(0, 2**32 - 1))
    lengths_s = draw(st.lists(st.one_of(st.none(), st.floats(0.0, 10.0)), max_size=30))
    vectors = np.random.default_rng(seed).normal(size=(len(lengths_s), 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [
        None if length_s is None else Voiceprint(vector, length_s)
        for vector, length_s in zip(vectors, lengths_s, strict=True)
    ]


counts = st.one_of(
    st.builds(SpeakerCount, exact=st.integers(1, 4)),
    st.builds(SpeakerCount, minimum=st.none() | st.integers(1, 2), maximum=st.none() | st.integers(2, 4)),
)


@given(st.permutations(range(DIMENSIONS)), st.lists(st.integers(0, DIMENSIONS - 1), max_size=40))
def test_people_who_sound_nothing_alike_are_numbered_as_they_are_first_heard(
    people: list[int], order: list[int]
) -> None:
    spoken = [people[index] for index in order]
    first_heard = list(dict.fromkeys(spoken))
    assert labels([voice(person) for person in spoken]) == [
        f"SPEAKER_{first_heard.index(person):02d}" for person in spoken
    ]


@given(voices(), counts)
def test_labels_appear_in_order_and_are_never_more_than_there_may_be(
    heard: list[Voiceprint | None], bounds: SpeakerCount
) -> None:
    told = [label for label in labels(heard, bounds) if label is not None]
    distinct = list(dict.fromkeys(told))
    assert distinct == [f"SPEAKER_{number:02d}" for number in range(len(distinct))]
    most = bounds.exact or bounds.maximum
    assert most is None or len(distinct) <= most


@given(voices(), voices(), counts)
def test_what_comes_later_changes_no_label(
    before: list[Voiceprint | None], after: list[Voiceprint | None], bounds: SpeakerCount
) -> None:
    assert labels([*before, *after], bounds)[: len(before)] == labels(before, bounds)


@given(voices(), counts)
def test_a_voice_that_is_heard_twice_keeps_its_speaker(heard: list[Voiceprint | None], bounds: SpeakerCount) -> None:
    twice = [again for voice in heard for again in (voice, voice)]
    told = labels(twice, bounds)
    assert told[::2] == told[1::2]


@given(voices())
def test_little_speech_opens_no_speaker(heard: list[Voiceprint | None]) -> None:
    short = [voice for voice in heard if voice is not None and voice.speech_s < SETTINGS.opening_s]
    assert labels([*short]) == [None] * len(short)


def test_an_unknown_voice_is_nobodys_unless_there_is_only_one_to_be_it() -> None:
    assert labels([voice(0), None]) == ["SPEAKER_00", None]
    assert labels([None, voice(0), voice(1)], SpeakerCount(exact=1)) == ["SPEAKER_00"] * 3
    assert labels([None], SpeakerCount(maximum=1)) == ["SPEAKER_00"]


@pytest.mark.parametrize(
    ("similarity", "speech_s", "label"),
    [
        (SETTINGS.same_similarity + 0.01, 3.0, "SPEAKER_00"),
        (SETTINGS.same_similarity - 0.01, 3.0, "SPEAKER_01"),
        (SETTINGS.same_similarity + 0.01, 0.5, "SPEAKER_00"),
        (SETTINGS.same_similarity - 0.01, 0.5, "SPEAKER_00"),
        (SETTINGS.floor_similarity - 0.01, 0.5, None),
        (SETTINGS.floor_similarity - 0.01, 3.0, "SPEAKER_01"),
    ],
)
def test_what_a_second_voice_is(similarity: float, speech_s: float, label: str | None) -> None:
    assert labels([voice(0), at_similarity(similarity, speech_s)])[1] == label


def test_when_all_are_known_a_new_voice_is_the_nearest_ones_or_nobodys() -> None:
    known = [voice(0), voice(1)]
    nearest = Voiceprint(np.array([0.3, 0.2, *[0.0] * 5, np.sqrt(0.87)], np.float32), 3.0)
    assert labels([*known, nearest, voice(2)], SpeakerCount(maximum=2))[2:] == ["SPEAKER_00", None]


def test_until_there_are_as_many_as_there_must_be_less_of_a_difference_is_enough() -> None:
    between = (SETTINGS.same_similarity + SETTINGS.eager_similarity) / 2
    assert labels([voice(0), at_similarity(between)]) == ["SPEAKER_00", "SPEAKER_00"]
    assert labels([voice(0), at_similarity(between)], SpeakerCount(minimum=2)) == ["SPEAKER_00", "SPEAKER_01"]
    assert labels([voice(0), at_similarity(between)], SpeakerCount(exact=2)) == ["SPEAKER_00", "SPEAKER_01"]
    assert labels([voice(0), voice(1), at_similarity(between)], SpeakerCount(minimum=2))[2] == "SPEAKER_00"


def test_long_speech_says_more_about_a_voice_than_short() -> None:
    towards_1 = voice(0, 9.0, towards=1, share=0.4)
    plain = voice(0, 1.0)
    towards_2 = voice(0, 1.0, towards=2, share=0.4)
    probe = voice(1, 0.5, towards=0, share=0.2)
    # One long utterance drags the speaker to where the probe is; nine short ones of another kind do not.
    assert labels([towards_1, plain, probe])[2] == "SPEAKER_00"
    assert labels([plain, *[towards_2] * 9, voice(1, 3.0, towards=0, share=0.2)])[-1] == "SPEAKER_01"


def test_a_voice_that_is_only_nearest_does_not_change_how_a_speaker_sounds() -> None:
    doubtful = at_similarity(SETTINGS.floor_similarity + 0.05, speech_s=0.9)
    told = labels([voice(0, 1.0), *[doubtful] * 50, voice(0), voice(DIMENSIONS - 1)])
    assert told == ["SPEAKER_00"] * 52 + ["SPEAKER_01"]


@pytest.mark.parametrize(
    "values",
    [
        {"floor_similarity": 0.5},
        {"same_similarity": 0.9},
        {"eager_similarity": 1.1},
        {"floor_similarity": -1.1},
        {"opening_s": -0.1},
    ],
)
def test_thresholds_that_contradict_each_other_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"need|negative"):
        RegisterSettings(**values)
