"""Which states a live session goes through, and what may happen in each: one table, for calls and for audio."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from deployments.errors import IllegalMove


class State(StrEnum):
    """A session runs two machines: one for what its client does, one for what is heard."""

    OPEN = "open"
    CLOSING = "closing"
    """No more audio comes; what was sent is being finished."""
    ENDED = "ended"

    QUIET = "quiet"
    """No utterance is running."""
    SPEAKING = "speaking"
    PAUSED = "paused"
    """The speaker has probably finished; the utterance is being recognised on the chance that it is so."""


class Move(StrEnum):
    """What moves a session."""

    FEED = "feed"
    FINALIZE = "finalize"
    CLEAR = "clear"
    CLOSE = "close"
    END = "end"

    BEGIN = "begin an utterance"
    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish an utterance"
    FORGET = "forget an utterance"


MOVES: Mapping[State, Mapping[Move, State]] = {
    State.OPEN: {
        Move.FEED: State.OPEN,
        Move.FINALIZE: State.OPEN,
        Move.CLEAR: State.OPEN,
        Move.CLOSE: State.CLOSING,
    },
    State.CLOSING: {Move.END: State.ENDED},
    State.ENDED: {},
    State.QUIET: {Move.BEGIN: State.SPEAKING},
    State.SPEAKING: {
        Move.PAUSE: State.PAUSED,
        Move.FINISH: State.QUIET,
        Move.FORGET: State.QUIET,
    },
    State.PAUSED: {
        Move.RESUME: State.SPEAKING,
        Move.FINISH: State.QUIET,
        Move.FORGET: State.QUIET,
    },
}
"""Where each move leads; what is not here is illegal."""


class Machine:
    """Something that is in one state at a time, and only moves as the table allows."""

    def __init__(self, state: State) -> None:
        self.state = state

    def move(self, move: Move) -> None:
        """Make a move.

        Raises:
            IllegalMove: not in this state, which stays.
        """
        if move not in MOVES[self.state]:
            raise IllegalMove(self.state, move)
        self.state = MOVES[self.state][move]
