from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import RecognizedSpan, SpeakerTurn, TimeSpan, Word
from serve_app.assembly import segments_of, speaker_runs

pytestmark = pytest.mark.unit


def span(text: str, start_s: float = 0.0, language: str = "en") -> RecognizedSpan:
    words = tuple(Word(part, start_s + at, start_s + at + 0.8, 0.9) for at, part in enumerate(text.split()))
    return RecognizedSpan(TimeSpan(start_s, start_s + len(words)), language, words)


def texts(spans: list[RecognizedSpan], turns: list[SpeakerTurn] | None = None) -> list[str]:
    return [segment.text for segment in segments_of(spans, turns or [])]


def test_a_segment_ends_with_its_sentence() -> None:
    assert texts([span("One two. Three four. Five")]) == ["One two.", "Three four.", "Five"]


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


def test_runs_join_the_segments_of_a_speaker() -> None:
    turns = [SpeakerTurn("SPEAKER_00", 0, 4), SpeakerTurn("SPEAKER_01", 4, 6), SpeakerTurn("SPEAKER_00", 6, 8)]
    runs = speaker_runs(segments_of([span("One. Two. Three. Four. Five six. Seven eight.")], turns))
    assert [run.text for run in runs] == ["One. Two. Three. Four.", "Five six.", "Seven eight."]
    assert runs[0].end_s == 3.8


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
    assert sum(len(run.words) for run in speaker_runs(segments)) == len(before)
    for segment in segments:
        assert {word.speaker for word in segment.words} == {segment.speaker}
        assert (segment.speaker is None) == (not turns)
