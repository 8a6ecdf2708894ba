from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import Transcript
from serve_app.dialects.turn_index import TurnIndex
from tests.fakes.transcripts import transcripts

pytestmark = pytest.mark.unit


@given(transcripts, st.floats(0, 7200), st.floats(0, 100))
def test_turns_are_found_by_time(transcript: Transcript, start_s: float, length_s: float) -> None:
    end_s = start_s + length_s
    found = TurnIndex(transcript.turns).within(start_s, end_s)
    overlapping = [turn for turn in transcript.turns if turn.start_s < end_s and turn.end_s > start_s]
    assert sorted(turn.speaker for turn in found) == sorted(turn.speaker for turn in overlapping)
    assert all(start_s <= turn.start_s <= turn.end_s <= end_s for turn in found)
