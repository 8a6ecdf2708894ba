from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from deployments.errors import IllegalMove
from serve_app.live.states import MOVES, Machine, Move, State

pytestmark = pytest.mark.unit


class AnyMoves(RuleBasedStateMachine):
    """Whatever is tried, the machine is where the table says."""

    def __init__(self) -> None:
        super().__init__()
        self.machines = {start: Machine(start) for start in (State.OPEN, State.QUIET)}
        self.expected = {start: start for start in self.machines}

    @rule(start=st.sampled_from([State.OPEN, State.QUIET]), move=st.sampled_from(Move))
    def move(self, start: State, move: Move) -> None:
        machine, state = self.machines[start], self.expected[start]
        if move in MOVES[state]:
            machine.move(move)
            self.expected[start] = MOVES[state][move]
        else:
            with pytest.raises(IllegalMove) as caught:
                machine.move(move)
            assert (caught.value.state, caught.value.move) == (state, move)
        assert machine.state is self.expected[start]


TestAnyMoves = AnyMoves.TestCase


def test_every_state_is_in_the_table_and_can_be_reached() -> None:
    reached = {State.OPEN, State.QUIET}
    for _ in State:
        reached |= {target for state in reached for target in MOVES[state].values()}
    assert reached == set(State) == set(MOVES)


def test_nothing_follows_the_end() -> None:
    machine = Machine(State.OPEN)
    machine.move(Move.CLOSE)
    with pytest.raises(IllegalMove, match="Cannot feed while the session is closing"):
        machine.move(Move.FEED)
    machine.move(Move.END)
    for move in Move:
        with pytest.raises(IllegalMove):
            machine.move(move)
