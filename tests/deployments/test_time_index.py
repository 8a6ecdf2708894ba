from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts import SpeakerTurn
from deployments.time_index import TimeIndex

pytestmark = pytest.mark.unit

times_s = st.integers(0, 40).map(lambda quarters: quarters / 4)
turns = st.lists(
    st.builds(lambda start_s, length_s: SpeakerTurn("SPEAKER_00", start_s, start_s + length_s), times_s, times_s),
    max_size=12,
)


@given(turns, times_s, times_s)
def test_what_shares_time_is_found(turns: list[SpeakerTurn], start_s: float, length_s: float) -> None:
    end_s = start_s + length_s
    found = TimeIndex(turns).sharing(start_s, end_s)
    expected = [turn for turn in turns if turn.start_s < end_s and turn.end_s > start_s]
    assert found == sorted(expected, key=lambda turn: (turn.start_s, turn.end_s))


@given(turns, times_s, times_s)
def test_the_closest_is_found(turns: list[SpeakerTurn], start_s: float, length_s: float) -> None:
    end_s = start_s + length_s

    def closeness(turn: SpeakerTurn) -> tuple[float, float]:
        shared_s = min(end_s, turn.end_s) - max(start_s, turn.start_s)
        return (shared_s, 0.0) if shared_s > 0 else (0.0, shared_s)

    if not turns:
        with pytest.raises(LookupError):
            TimeIndex(turns).closest(start_s, end_s)
        return
    found = TimeIndex(turns).closest(start_s, end_s)
    assert closeness(found) == max(map(closeness, turns))


def test_a_word_without_length_is_of_the_turn_that_it_lies_in() -> None:
    first, second = SpeakerTurn("SPEAKER_00", 0.0, 2.0), SpeakerTurn("SPEAKER_01", 1.0, 5.0)
    assert TimeIndex([first, second]).closest(2.0, 2.0) == second
