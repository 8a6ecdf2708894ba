"""What was seen of scaling, and tables of it."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from load_tests.report import Cell, Column, Table

LOOK_S = 0.5
"""Between two looks at the replicas."""


@dataclass(frozen=True, slots=True)
class Look:
    """Replicas of each stage at a time: those that Serve wants, and those that run."""

    at_s: float
    wanted: dict[str, int]
    running: dict[str, int]


@dataclass(slots=True)
class Watched:
    """The replicas over time, seen twice a second; times count from when the watch began."""

    begun_s: float = field(default_factory=time.monotonic)
    looks: list[Look] = field(default_factory=list)

    @property
    def now_s(self) -> float:
        """Since the watch began."""
        return time.monotonic() - self.begun_s

    def changes(self, stage: str, since_s: float, until_s: float) -> list[tuple[float, int]]:
        """When the number wanted changed, and by how many."""
        looks = [one for one in self.looks if since_s <= one.at_s < until_s]
        pairs = (
            (after.at_s, after.wanted[stage] - before.wanted[stage]) for before, after in itertools.pairwise(looks)
        )
        return [(at_s, by) for at_s, by in pairs if by]

    def first(self, since_s: float, is_so: Callable[[Look], bool]) -> float | None:
        """Seconds from a time until something was seen."""
        return next((one.at_s - since_s for one in self.looks if one.at_s >= since_s and is_so(one)), None)


@dataclass(frozen=True, slots=True)
class Reaction:
    """Of a stage to the step: when it asked for more, had what it asked for, and let the first one go."""

    stage: str
    up_s: float | None
    up_bound_s: float
    most: int
    ready_s: float | None
    down_s: float | None
    down_bound_s: float
    back_s: float | None
    changes_in_teeth: int
    turns_in_teeth: int

    @property
    def is_kept(self) -> bool:
        """Whether it did what docs/autoscaling.md promises."""
        up = self.up_s is not None and self.up_s <= self.up_bound_s + 2 * LOOK_S
        down = self.down_s is not None and self.down_s <= self.down_bound_s + 2 * LOOK_S
        return up and down and self.turns_in_teeth == 0


def reaction_table(reactions: list[Reaction], note: str) -> Table:
    """How soon stages reacted, and what they promise."""
    columns = (
        Column("stage"),
        Column("asks for more after s"),
        Column("at most"),
        Column("replicas"),
        Column("all run after s"),
        Column("lets one go after s"),
        Column("at most "),
        Column("back after s"),
        Column("changes in the sawtooth", 0),
        Column("turns", 0),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            one.stage,
            one.up_s,
            one.up_bound_s,
            one.most,
            one.ready_s,
            one.down_s,
            one.down_bound_s,
            one.back_s,
            one.changes_in_teeth,
            one.turns_in_teeth,
        )
        for one in reactions
    )
    return Table("Reaction", columns, rows, note)


def course_table(watched: Watched) -> Table:
    """Every change of what Serve wanted or had."""
    rows: list[tuple[Cell, ...]] = []
    last: tuple[Cell, ...] = ()
    for look in watched.looks:
        counts = tuple(itertools.chain.from_iterable((look.wanted[one], look.running[one]) for one in look.wanted))
        if counts != last:
            rows.append((look.at_s, *counts))
            last = counts
    names = [f"{stage} {what}" for stage in watched.looks[0].wanted for what in ("wanted", "running")]
    return Table("Replicas over time", (Column("s"), *(Column(name) for name in names)), tuple(rows))


def answer_table(answers: Counter[str]) -> Table:
    """What clients got."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(sorted(answers.items()))
    return Table("Answers", (Column("answer"), Column("requests")), rows, "503: all places of the ingress were taken.")
