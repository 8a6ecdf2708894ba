"""How requests, jobs and live sessions ended, and what a fault did to them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    """What an attempt came to, for its client."""

    ANSWERED = "answered"
    TOLD = "told to come back"
    """In the documented way: the same attempt may succeed later."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request, or one live session; times are of one clock, in seconds.

    ``label`` is what its client saw: a status, a close code, or why there was none.
    """

    kind: str
    begun_s: float
    ended_s: float
    ending: Ending
    label: str

    @property
    def took_s(self) -> float:
        """From the first byte to the last."""
        return self.ended_s - self.begun_s


def ending_of_answer(status: int, retry_after: str | None) -> Ending:
    """An HTTP answer's: 429 and 503 must say when to come back (docs/apis.md)."""
    if 200 <= status < 300:
        return Ending.ANSWERED
    return Ending.TOLD if status in (429, 503) and retry_after is not None else Ending.FAILED


def ending_of_session(code: int, *, has_last_words: bool, has_error: bool) -> Ending:
    """A live session's, by its close code (docs/live.md): 1012 and 1013 ask to connect again, after an error event."""
    if code == 1000 and has_last_words:
        return Ending.ANSWERED
    return Ending.TOLD if code in (1012, 1013) and has_error else Ending.FAILED


@dataclass(frozen=True, slots=True)
class Impact:
    """What clients had of a fault. Seconds count from the fault; None: there was no failure.

    Attributes:
        attempts: those that were not over when it came.
        endings: how many of them ended how.
        labels: how many of those that were not answered had which label.
        first_failure_s: when the first one learnt that it failed, or was told to come back.
        recovered_s: when the last one did: from then on, everything was answered.
        longest_s: the longest that an answer took.
    """

    attempts: int
    endings: Mapping[Ending, int]
    labels: Mapping[str, int]
    first_failure_s: float | None
    recovered_s: float | None
    longest_s: float


def impact_of(attempts: Collection[Attempt], fault_at_s: float) -> Impact:
    """Over all attempts that were running when the fault came, or began later."""
    affected = [attempt for attempt in attempts if attempt.ended_s >= fault_at_s]
    missed = [attempt for attempt in affected if attempt.ending is not Ending.ANSWERED]
    answered = [attempt.took_s for attempt in affected if attempt.ending is Ending.ANSWERED]
    ends_s = [attempt.ended_s - fault_at_s for attempt in missed]
    return Impact(
        attempts=len(affected),
        endings=Counter(attempt.ending for attempt in affected),
        labels=Counter(f"{attempt.kind} {attempt.label}" for attempt in missed),
        first_failure_s=min(ends_s, default=None),
        recovered_s=max(ends_s, default=None),
        longest_s=max(answered, default=0.0),
    )


def is_quiet(attempts: Collection[Attempt], now_s: float, for_s: float) -> bool:
    """Whether everything that ended lately was answered, and something did."""
    lately = [attempt for attempt in attempts if attempt.ended_s >= now_s - for_s]
    return bool(lately) and all(attempt.ending is Ending.ANSWERED for attempt in lately)


@dataclass(frozen=True, slots=True)
class JobCount:
    """What became of jobs. A delivery may come twice, and is to be taken once; a lost job never came."""

    accepted: int
    completed: int
    failed: int
    repeated: int

    @property
    def lost(self) -> int:
        """Accepted, and not heard of again."""
        return self.accepted - self.completed - self.failed


def count_jobs(accepted: Collection[str], deliveries: Sequence[tuple[str, str]]) -> JobCount:
    """``deliveries`` are job id and status of each webhook that came; those of other jobs do not count."""
    ours = [(job_id, status) for job_id, status in deliveries if job_id in accepted]
    status_of = dict(ours)
    completed = sum(status == "completed" for status in status_of.values())
    return JobCount(len(accepted), completed, len(status_of) - completed, len(ours) - len(status_of))
