from __future__ import annotations

import pytest

from deployments.contracts import RecognizedSpan, TimeSpan, Word
from serve_app.assembly import segments_of

pytestmark = pytest.mark.unit


def test_a_segment_without_an_end_is_cut() -> None:
    words = tuple(Word(f"w{at}", float(at), at + 0.8, 0.9) for at in range(100))
    segments = segments_of([RecognizedSpan(TimeSpan(0.0, 100.0), "en", words)], ())
    assert max(segment.end_s - segment.start_s for segment in segments) <= 30.0


def test_a_segment_lasts_as_long_as_its_longest_word() -> None:
    words = (Word("a", 0.0, 5.0, 0.9), Word("b", 1.0, 2.0, 0.9))
    (segment,) = segments_of([RecognizedSpan(TimeSpan(0.0, 5.0), "en", words)], ())
    assert segment.end_s == 5.0
