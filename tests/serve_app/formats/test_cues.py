from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Segment, Word
from serve_app.formats.cues import (
    MAX_CUE_MS,
    MAX_LINE_CHARS,
    MAX_LINES,
    MAX_PAUSE_MS,
    MIN_CUE_MS,
    Cue,
    build_cues,
)

pytestmark = pytest.mark.unit

_TEXTS = st.text("abcdefgh.,?'", min_size=1, max_size=14) | st.text("x", min_size=MAX_LINE_CHARS, max_size=99)
_WORDS = st.tuples(
    _TEXTS, st.floats(-0.05, 3.0), st.floats(0.0, 9.0), st.sampled_from([None, "SPEAKER_00", "SPEAKER_01"])
)


@st.composite
def segments(draw: st.DrawFn) -> list[Segment]:
    """Words that mostly follow each other, sometimes overlap, sometimes have no length; cut into two segments."""
    at_s = 0.0
    words = []
    for text, gap_s, length_s, speaker in draw(st.lists(_WORDS, max_size=60)):
        at_s = max(0.0, at_s + gap_s)
        words.append(Word(text, at_s, at_s + length_s, 0.9, speaker))
        at_s += draw(st.sampled_from([0.0, 1.0])) * length_s
    cut = draw(st.integers(0, len(words)))
    return [_segment(words[:cut]), _segment(words[cut:])]


def _segment(words: list[Word], speaker: str | None = None) -> Segment:
    return Segment(0.0, 1.0, " ".join(word.text for word in words), "en", tuple(words), speaker)


def _evenly(text: str, word_s: float = 0.3) -> Segment:
    return _segment([Word(word, i * word_s, (i + 1) * word_s, 0.9) for i, word in enumerate(text.split())])


def _words_of(cue: Cue) -> list[str]:
    return " ".join(cue.lines).split()


@given(segments())
def test_cues_are_in_order_and_never_overlap(spoken: list[Segment]) -> None:
    cues = build_cues(spoken)
    assert all(cue.start_ms < cue.end_ms for cue in cues)
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(cues))


@given(segments())
def test_no_word_is_lost_or_moved_to_another_speaker(spoken: list[Segment]) -> None:
    said = sorted(
        ((w.start_s, w.text, w.speaker) for s in spoken for w in s.words), key=lambda word: round(word[0] * 1000)
    )
    shown = [(word, cue.speaker) for cue in build_cues(spoken) for word in _words_of(cue)]
    assert shown == [(text, speaker) for _, text, speaker in said]


@given(segments())
def test_a_cue_passes_the_limits_only_where_one_word_does(spoken: list[Segment]) -> None:
    for cue in build_cues(spoken):
        assert len(cue.lines) <= MAX_LINES
        if len(_words_of(cue)) > 1:
            assert cue.end_ms - cue.start_ms <= MAX_CUE_MS
            assert all(len(line) <= MAX_LINE_CHARS for line in cue.lines if " " in line)


def test_a_sentence_ends_its_cue() -> None:
    cues = build_cues([_evenly('Is it so? "It is." Good, then')])
    assert [cue.lines for cue in cues] == [("Is it so?",), ('"It is."',), ("Good, then",)]


def test_a_pause_ends_a_cue_and_a_shorter_one_does_not() -> None:
    pause_s = MAX_PAUSE_MS / 1000
    words = [Word("a", 0.0, 1.0, 1), Word("b", 1.0 + pause_s, 3.0, 1), Word("c", 3.0 + pause_s + 0.001, 5.0, 1)]
    assert [cue.lines for cue in build_cues([_segment(words)])] == [("a b",), ("c",)]


def test_another_speaker_begins_another_cue() -> None:
    first, second = Word("yes", 0.0, 0.3, 1), Word("no", 0.3, 0.6, 1)
    cues = build_cues([_segment([first], "SPEAKER_00"), _segment([second], "SPEAKER_01")])
    assert [(cue.speaker, cue.lines) for cue in cues] == [("SPEAKER_00", ("yes",)), ("SPEAKER_01", ("no",))]


def test_a_long_sentence_is_divided_evenly_and_leaves_no_orphan() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    first, second = (len(" ".join(cue.lines)) for cue in build_cues([_evenly(text)]))
    assert abs(first - second) < 10


def test_a_long_sentence_is_rather_divided_after_a_comma() -> None:
    text = "it was the season of light and of good hope for all, it was the season of darkness and of despair for many"
    first, second = build_cues([_evenly(text, 0.25)])
    assert first.lines[-1].endswith("all,")
    assert second.lines[0].startswith("it was")


def test_a_short_cue_stays_readable_where_nothing_follows_and_ends_where_something_does() -> None:
    words = [Word("No.", 0.0, 0.2, 1), Word("Never.", 0.5, 0.6, 1)]
    first, second = build_cues([_segment(words)])
    assert (first.start_ms, first.end_ms) == (0, 500)
    assert (second.start_ms, second.end_ms) == (500, 500 + MIN_CUE_MS)


def test_text_without_times_is_refused() -> None:
    with pytest.raises(ValueError, match=r"segment at 1\.500 s"):
        build_cues([Segment(1.5, 2.0, "hello", "en", ())])


def test_nothing_said_gives_no_cue() -> None:
    assert build_cues([]) == ()
    assert build_cues([_segment([Word(" ", 0.0, 1.0, 1)])]) == ()


def test_an_hour_without_a_pause_or_a_full_stop_is_still_cut() -> None:
    cues = build_cues([_evenly("word " * 12_000)])
    assert max(cue.end_ms - cue.start_ms for cue in cues) <= MAX_CUE_MS
    assert sum(len(_words_of(cue)) for cue in cues) == 12_000
