from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from deployments.errors import IllegalMove
from serve_app.live.states import (
    SESSION_MOVES,
    SPEECH_MOVES,
    Machine,
    SessionMove,
    SessionState,
    SpeechMove,
    SpeechState,
)

pytestmark = pytest.mark.unit

TABLES: dict[StrEnum, Mapping[Any, Mapping[Any, Any]]] = {
    SessionState.OPEN: SESSION_MOVES,
    SpeechState.QUIET: SPEECH_MOVES,
}


class AnyMoves(RuleBasedStateMachine):
    """Whatever is tried, the machine is where its table says."""

    def __init__(self) -> None:
        super().__init__()
        self.machines: dict[StrEnum, Machine[Any, Any]] = {
            start: Machine(start, moves) for start, moves in TABLES.items()
        }
        self.expected = {start: start for start in TABLES}

    @rule(start=st.sampled_from(list(TABLES)), move=st.sampled_from([*SessionMove, *SpeechMove]))
    def move(self, start: StrEnum, move: StrEnum) -> None:
        machine, state, moves = self.machines[start], self.expected[start], TABLES[start]
        if move in moves[state]:
            machine.move(move)
            self.expected[start] = moves[state][move]
        else:
            with pytest.raises(IllegalMove) as caught:
                machine.move(move)
            assert (caught.value.state, caught.value.move) == (state, move)
        assert machine.state is self.expected[start]


TestAnyMoves = AnyMoves.TestCase


@pytest.mark.parametrize("start", TABLES)
def test_every_state_is_in_its_table_and_can_be_reached(start: StrEnum) -> None:
    moves, reached = TABLES[start], {start}
    for _ in moves:
        reached |= {target for state in reached for target in moves[state].values()}
    assert reached == set(type(start)) == set(moves)


def test_nothing_follows_the_end() -> None:
    machine = Machine(SessionState.OPEN, SESSION_MOVES)
    machine.move(SessionMove.CLOSE)
    with pytest.raises(IllegalMove, match="Cannot feed while the session is closing"):
        machine.move(SessionMove.FEED)
    machine.move(SessionMove.END)
    for move in SessionMove:
        with pytest.raises(IllegalMove):
            machine.move(move)
