"""The two machines of a live session: one for what its client does, one for what is heard. Each has its own table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from deployments.errors import IllegalMove


class SessionState(StrEnum):
    """What a session's client may still do."""

    OPEN = "open"
    CLOSING = "closing"
    """No more audio comes; what was sent is being finished."""
    ENDED = "ended"


class SessionMove(StrEnum):
    """What moves a session."""

    FEED = "feed"
    FINALIZE = "finalize"
    CLEAR = "clear"
    CLOSE = "close"
    END = "end"


class SpeechState(StrEnum):
    """What is heard."""

    QUIET = "quiet"
    """No utterance is running."""
    SPEAKING = "speaking"
    PAUSED = "paused"
    """The speaker has probably finished; the utterance is being recognised on the chance that it is so."""


class SpeechMove(StrEnum):
    """What becomes of an utterance."""

    BEGIN = "begin an utterance"
    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish an utterance"
    FORGET = "forget an utterance"


SESSION_MOVES: Mapping[SessionState, Mapping[SessionMove, SessionState]] = {
    SessionState.OPEN: {
        SessionMove.FEED: SessionState.OPEN,
        SessionMove.FINALIZE: SessionState.OPEN,
        SessionMove.CLEAR: SessionState.OPEN,
        SessionMove.CLOSE: SessionState.CLOSING,
    },
    SessionState.CLOSING: {SessionMove.END: SessionState.ENDED},
    SessionState.ENDED: {},
}
"""Where each move leads; what is not here is illegal."""

SPEECH_MOVES: Mapping[SpeechState, Mapping[SpeechMove, SpeechState]] = {
    SpeechState.QUIET: {SpeechMove.BEGIN: SpeechState.SPEAKING},
    SpeechState.SPEAKING: {
        SpeechMove.PAUSE: SpeechState.PAUSED,
        SpeechMove.FINISH: SpeechState.QUIET,
        SpeechMove.FORGET: SpeechState.QUIET,
    },
    SpeechState.PAUSED: {
        SpeechMove.RESUME: SpeechState.SPEAKING,
        SpeechMove.FINISH: SpeechState.QUIET,
        SpeechMove.FORGET: SpeechState.QUIET,
    },
}
"""The same for what is heard."""

_State = TypeVar("_State", bound=StrEnum)
_Move = TypeVar("_Move", bound=StrEnum)


class Machine(Generic[_State, _Move]):
    """Something that is in one state at a time, and only moves as its table allows."""

    def __init__(self, state: _State, moves: Mapping[_State, Mapping[_Move, _State]]) -> None:
        self.state = state
        self._moves = moves

    def move(self, move: _Move) -> None:
        """Make a move.

        Raises:
            IllegalMove: not in this state, which stays.
        """
        allowed = self._moves[self.state]
        if move not in allowed:
            raise IllegalMove(self.state, move)
        self.state = allowed[move]
