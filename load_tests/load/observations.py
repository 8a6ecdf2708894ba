"""What became of each call. Pure; seconds count from the start of the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from load_tests.live_latency import Latencies
from load_tests.load.plan import FileApi, LiveApi

# Quotas and wallets are limits as well, whatever status a dialect gives them.
_REFUSAL_STATUSES = (429, 503)
_REFUSAL_WORDS = ("LIMIT", "UNAVAILABLE", "QUOTA", "CREDIT")


class Outcome(StrEnum):
    """A refusal is the service doing its work: a cap, a quota, a full queue. All else that is not done failed."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FileCall:
    """One recording.

    Attributes:
        step: index of the step in which it was due.
        length: its class of lengths.
        due_s: when it was to be sent: latency counts from here, so that a client that is late hides nothing.
        sent_s: when it was sent.
        ended_s: when its answer was there; for a job, when its webhook came.
        accepted_s: when a job was accepted; None for others.
        reason: why it was refused or failed; empty where it was done.
        has_text: whether words came back.
    """

    step: int
    api: FileApi
    caller: str
    length: str
    audio_s: float
    due_s: float
    sent_s: float
    ended_s: float
    outcome: Outcome
    reason: str = ""
    accepted_s: float | None = None
    has_text: bool = True

    @property
    def latency_s(self) -> float:
        """From when it was due."""
        return self.ended_s - self.due_s


@dataclass(frozen=True, slots=True)
class LiveCall:
    """One session of a socket. ``audio_s`` is what was spoken into it; see Latencies for what was heard."""

    step: int
    api: LiveApi
    caller: str
    audio_s: float
    began_s: float
    ended_s: float
    outcome: Outcome
    reason: str = ""
    heard: Latencies = field(default_factory=Latencies)


def outcome_of(status: int | None, code: str) -> Outcome:
    """Of an answer that is no success. ``status`` is None where the reason was told in a message of a socket."""
    is_refusal = status in _REFUSAL_STATUSES or any(word in code.upper() for word in _REFUSAL_WORDS)
    return Outcome.REFUSED if is_refusal and status not in (500, 502, 504) else Outcome.FAILED
