from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployments.contracts import SpeakerTurn
from load_tests.library_baseline import LibraryLine, LibraryResult, LibrarySpan
from load_tests.recordings import Recording
from load_tests.speaker_accuracy import HeardSpeakers, bounded, diarization_table
from load_tests.word_accuracy import HeardWords, doubts_table, invented_words_table, word_error_table

pytestmark = pytest.mark.unit


def recording(kind: str, text: str | None = None, **fields: Any) -> Recording:
    defaults: dict[str, Any] = {"sha256": "0", "language": "en", "duration_s": 10.0, "name": f"{kind}/x"}
    return Recording(path=Path("x"), kind=kind, text=text, **(defaults | fields))


def test_kinds_are_pooled_and_formats_stand_apart() -> None:
    heard = [
        HeardWords(recording("read", "red river"), "red river", "red stone"),
        HeardWords(recording("noisy", "deep lamp"), "deep", "lamp post"),
        HeardWords(recording("format", "cloud"), "stone", "stone"),
    ]
    rows = {row[0]: row for row in word_error_table(heard).rows}
    assert list(rows) == ["noisy", "read", "format", "all"]
    assert rows["read"][1:6] == (1, 2, 0.0, 50.0, -100.0)
    assert rows["all"][1:4] == (2, 4, 25.0)


def test_marks_and_fillers_are_not_invented_words() -> None:
    heard = [
        HeardWords(recording("noise", ""), "…", "uh"),
        HeardWords(recording("noise", ""), "Thank you.", ""),
    ]
    ((_, clips, served, library, which),) = invented_words_table(heard).rows
    assert (clips, served, library) == (2, 1, 0)
    assert "Thank you." in str(which)


def test_a_truth_that_both_contradict_alike_is_shown() -> None:
    heard = [
        HeardWords(recording("read", "red river", name="right"), "red river", "red river"),
        HeardWords(recording("read", "cloud lamp", name="doubtful"), "red river", "red river"),
        HeardWords(recording("read", "cloud lamp", name="merely hard"), "red river", "deep stone"),
    ]
    assert [row[0] for row in doubts_table(heard).rows] == ["doubtful"]


def test_minutes_bound_the_slow_part_shortest_first() -> None:
    marked = [recording("read", name=f"{length_s}", duration_s=length_s, rttm=Path("x")) for length_s in (90, 30, 60)]
    unmarked = recording("read", duration_s=1.0)
    assert [one.duration_s for one in bounded([*marked, unmarked], None)] == [30, 60, 90]
    assert [one.duration_s for one in bounded(marked, 1.5)] == [30, 60]


def test_meetings_are_scored_by_words_and_by_segments(tmp_path: Path) -> None:
    by_words, by_segments = tmp_path / "words.rttm", tmp_path / "segments.rttm"
    by_words.write_text("SPEAKER x 1 0 4 <NA> <NA> A <NA> <NA>\n")
    by_segments.write_text("SPEAKER x 1 0 8 <NA> <NA> A <NA> <NA>\n")
    meeting = recording(
        "conversation", rttm=by_segments, rttm_words=by_words, words_file=tmp_path / "words.json", duration_s=10.0
    )
    line = LibraryLine("", (LibrarySpan("0", 0.0, 2.0, 0, 0),))
    heard = HeardSpeakers(
        meeting,
        served_turns=(SpeakerTurn("0", 0.0, 4.0),),
        served_texts={},
        served_words=(),
        engine_turns=(SpeakerTurn("0", 0.0, 6.0),),
        library=LibraryResult(1.0, 1.0, (line,)),
    )
    rows = {row[0]: row for row in diarization_table([heard]).rows}
    assert rows["AMI, by words"][3:6] == (0.0, 50.0, 50.0)
    assert rows["AMI, by segments"][3:6] == (50.0, 25.0, 75.0)
    assert rows["all"][3:6] == rows["AMI, by words"][3:6]
