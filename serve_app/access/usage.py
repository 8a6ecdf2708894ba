"""What a user has used, added up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """A sum over requests; audio_s is what they brought, billed_s what was paid for and counts against the quota."""

    requests: int = 0
    audio_s: float = 0.0
    billed_s: float = 0.0
    charged_micros: int = 0

    def __add__(self, other: UsageTotal) -> UsageTotal:
        return UsageTotal(
            self.requests + other.requests,
            self.audio_s + other.audio_s,
            self.billed_s + other.billed_s,
            self.charged_micros + other.charged_micros,
        )


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What came in on one UTC day through one API."""

    day: date
    dialect: str
    total: UsageTotal


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage from the UTC day ``since`` to the day ``until``, both included; rows by day, then dialect."""

    since: date
    until: date
    rows: tuple[UsageRow, ...]

    @property
    def total(self) -> UsageTotal:
        """All of it."""
        return sum((row.total for row in self.rows), UsageTotal())

    @property
    def by_day(self) -> dict[date, UsageTotal]:
        """Days on which there was something, oldest first."""
        return _summed(self.rows, lambda row: row.day)

    @property
    def by_dialect(self) -> dict[str, UsageTotal]:
        """APIs that were used, by name."""
        return _summed(sorted(self.rows, key=lambda row: row.dialect), lambda row: row.dialect)


def _summed(rows: Iterable[UsageRow], key: Callable[[UsageRow], _Key]) -> dict[_Key, UsageTotal]:
    totals: dict[_Key, UsageTotal] = {}
    for row in rows:
        totals[key(row)] = totals.get(key(row), UsageTotal()) + row.total
    return totals
