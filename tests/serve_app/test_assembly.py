from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import RecognizedSpan, SpeakerTurn, TimeSpan, Word
from serve_app.assembly import segments_of, spoken_turns

pytestmark = pytest.mark.unit


def span(text: str, start_s: float = 0.0, language: str = "en") -> RecognizedSpan:
    words = tuple(Word(part, start_s + at, start_s + at + 0.8, 0.9) for at, part in enumerate(text.split()))
    return RecognizedSpan(TimeSpan(start_s, start_s + len(words)), language, words)


def texts(spans: list[RecognizedSpan], turns: list[SpeakerTurn] | None = None) -> list[str]:
    return [segment.text for segment in segments_of(spans, turns or [])]


def test_a_segment_ends_with_its_sentence() -> None:
    assert texts([span("One two. Three four. Five")]) == ["One two.", "Three four.", "Five"]


def test_a_segment_goes_on_over_a_full_stop_inside_a_sentence() -> None:
    assert texts([span("The U.S. government. So z. B. this")]) == ["The U.S. government.", "So z. B. this"]


def test_where_a_window_was_cut_a_small_letter_tells_nothing() -> None:
    assert texts([span("In the U.S."), span("and so on.", 3.0)]) == ["In the U.S.", "and so on."]


def test_small_letters_tell_nothing_of_a_recogniser_that_writes_no_others() -> None:
    assert texts([span("one two. three")]) == ["one two.", "three"]


def test_a_segment_goes_on_over_a_window_that_was_cut_inside_a_sentence() -> None:
    assert texts([span("this is"), span("one sentence.", 2.0)]) == ["this is one sentence."]


def test_a_long_pause_ends_a_segment() -> None:
    assert texts([span("so then"), span("later on", 10.0)]) == ["so then", "later on"]


def test_another_language_begins_a_segment() -> None:
    assert texts([span("und dann", 0.0, "de"), span("and then", 2.0, "en")]) == ["und dann", "and then"]


def test_another_speaker_begins_a_segment() -> None:
    turns = [SpeakerTurn("SPEAKER_00", 0, 2), SpeakerTurn("SPEAKER_01", 2, 4)]
    segments = segments_of([span("yes it is no")], turns)
    assert [(segment.speaker, segment.text) for segment in segments] == [
        ("SPEAKER_00", "yes it"),
        ("SPEAKER_01", "is no"),
    ]


def test_turns_keep_their_times_and_get_their_words() -> None:
    turns = [SpeakerTurn("SPEAKER_00", 0, 3.9), SpeakerTurn("SPEAKER_01", 3.5, 6.2), SpeakerTurn("SPEAKER_00", 6, 8)]
    spoken = spoken_turns(segments_of([span("One. Two. Three. Four. Five six. Seven eight.")], turns), turns)
    assert [(turn.speaker, turn.text) for turn in spoken] == [
        ("SPEAKER_00", "One. Two. Three. Four."),
        ("SPEAKER_01", "Five six."),
        ("SPEAKER_00", "Seven eight."),
    ]
    assert [(turn.start_s, turn.end_s) for turn in spoken] == [(0, 3.9), (3.5, 6.2), (6, 8)]


def test_a_turn_without_words_stays_only_if_it_is_long() -> None:
    turns = [SpeakerTurn("SPEAKER_00", 0, 2), SpeakerTurn("SPEAKER_01", 5, 5.4), SpeakerTurn("SPEAKER_01", 7, 9)]
    spoken = spoken_turns(segments_of([span("yes yes")], turns), turns)
    assert [(turn.speaker, turn.text, turn.start_s) for turn in spoken] == [
        ("SPEAKER_00", "yes yes", 0),
        ("SPEAKER_01", "", 7),
    ]


def test_a_turn_is_in_the_language_of_most_of_its_words_or_of_what_is_said_near_it() -> None:
    turns = [SpeakerTurn("SPEAKER_00", 0, 3), SpeakerTurn("SPEAKER_01", 4, 7), SpeakerTurn("SPEAKER_00", 8, 10)]
    spans = [span("one two three", 0.0, "en"), span("und", 4.0, "de"), span("so weiter", 5.0, "de")]
    spoken = spoken_turns(segments_of(spans, turns), turns)
    assert [(turn.text, turn.language) for turn in spoken] == [
        ("one two three", "en"),
        ("und so weiter", "de"),
        ("", "de"),
    ]


@given(
    st.lists(st.lists(st.sampled_from(["a", "b.", "c,", "d?"]), max_size=40), max_size=5),
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 100), st.floats(0.1, 20)), max_size=6),
)
def test_no_word_is_lost_or_moved(windows: list[list[str]], speaking: list[tuple[int, float, float]]) -> None:
    spans, at_s = [], 0.0
    for words in windows:
        spans.append(span(" ".join(words), at_s))
        at_s += len(words) + 1.0
    turns = sorted(
        (SpeakerTurn(f"SPEAKER_{speaker:02}", start_s, start_s + length_s) for speaker, start_s, length_s in speaking),
        key=lambda turn: turn.start_s,
    )
    segments = segments_of(spans, turns)
    before = [(word.text, word.start_s) for window in spans for word in window.words]
    assert [(word.text, word.start_s) for segment in segments for word in segment.words] == before
    if turns:
        assert sum(len(turn.words) for turn in spoken_turns(segments, turns)) == len(before)
    for segment in segments:
        assert {word.speaker for word in segment.words} == {segment.speaker}
        assert (segment.speaker is None) == (not turns)
