from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import SpeakerTurn, Word
from deployments.diarization.attribution import attribute_words

pytestmark = pytest.mark.unit

MARGIN_S = 0.01

times_s = st.floats(0, 100, allow_nan=False).map(lambda value: round(value, 3))


@st.composite
def words(draw: st.DrawFn) -> list[Word]:
    starts = sorted(draw(st.lists(times_s, max_size=12)))
    return [Word("word", start, start + draw(st.sampled_from([0.0, 0.1, 0.5, 3.0])), 1.0) for start in starts]


@st.composite
def turns(draw: st.DrawFn) -> list[SpeakerTurn]:
    made = []
    for speaker in "ABC":
        borders = sorted(set(draw(st.lists(times_s, max_size=8))))
        pairs = zip(borders[::2], borders[1::2], strict=False)
        made += [SpeakerTurn(speaker, start, end) for start, end in pairs]
    return sorted(made, key=lambda turn: turn.start_s)


def word(start_s: float, end_s: float) -> Word:
    return Word("word", start_s, end_s, 0.9)


def speakers(of: list[Word], by: list[SpeakerTurn]) -> list[str | None]:
    return [attributed.speaker for attributed in attribute_words(of, by)]


def shared_s(heard: Word, speaker: str, spoken: list[SpeakerTurn]) -> float:
    return sum(
        max(0.0, min(heard.end_s, turn.end_s) - max(heard.start_s, turn.start_s))
        for turn in spoken
        if turn.speaker == speaker
    )


def distance_s(heard: Word, turn: SpeakerTurn) -> float:
    return max(turn.start_s - heard.end_s, heard.start_s - turn.end_s, 0.0)


@given(words(), turns())
def test_every_word_is_kept_and_gets_a_speaker_when_there_is_any_turn(
    heard: list[Word], spoken: list[SpeakerTurn]
) -> None:
    attributed = attribute_words(heard, spoken)
    assert [replace(one, speaker=None) for one in attributed] == heard
    assert all((one.speaker is not None) == bool(spoken) for one in attributed)


@given(words(), turns())
def test_no_other_speaker_shares_more_of_a_word(heard: list[Word], spoken: list[SpeakerTurn]) -> None:
    for one in attribute_words(heard, spoken):
        if one.speaker is not None:
            most_s = max(shared_s(one, speaker, spoken) for speaker in "ABC")
            assert shared_s(one, one.speaker, spoken) >= most_s - MARGIN_S


@given(words(), turns())
def test_a_word_outside_all_turns_goes_to_the_nearest(heard: list[Word], spoken: list[SpeakerTurn]) -> None:
    for one in attribute_words(heard, spoken):
        if one.speaker is not None and not any(shared_s(one, speaker, spoken) for speaker in "ABC"):
            nearest_s = min(distance_s(one, turn) for turn in spoken)
            own_s = min(distance_s(one, turn) for turn in spoken if turn.speaker == one.speaker)
            assert own_s == pytest.approx(nearest_s)


@given(words(), turns(), st.randoms())
def test_the_order_of_the_turns_does_not_matter(heard: list[Word], spoken: list[SpeakerTurn], random: Random) -> None:
    shuffled = list(spoken)
    random.shuffle(shuffled)
    assert attribute_words(heard, shuffled) == attribute_words(heard, spoken)


def test_overlapped_speech_stays_with_who_was_talking() -> None:
    spoken = [SpeakerTurn("A", 0, 5), SpeakerTurn("B", 2, 9)]
    assert speakers([word(0, 1), word(3, 4), word(6, 7)], spoken) == ["A", "A", "B"]


def test_overlapped_speech_at_the_start_goes_with_the_word_after() -> None:
    spoken = [SpeakerTurn("A", 0, 2), SpeakerTurn("B", 0, 5)]
    assert speakers([word(0.5, 1), word(3, 4)], spoken) == ["B", "B"]


def test_a_long_turn_that_ended_later_is_nearer_than_a_short_one_inside_it() -> None:
    spoken = [SpeakerTurn("A", 0, 10), SpeakerTurn("B", 2, 3), SpeakerTurn("C", 20, 21)]
    assert speakers([word(11, 12)], spoken) == ["A"]


def test_words_without_turns_stay_as_they_are() -> None:
    assert attribute_words([word(0, 1)], []) == (word(0, 1),)
