"""Where more load stops to be worth its waiting. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

GAIN_PER_DOUBLING = 0.05
"""Less throughput than this for twice the load is none: it is what two runs of the same load differ by."""
SLOWDOWN = 10.0
"""A p95 so many times that of the lowest level is too late, however much is transcribed meanwhile."""


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """One level: throughput in whatever unit, p95 of the latency."""

    level: float
    throughput: float
    p95_s: float


@dataclass(frozen=True, slots=True)
class Knee:
    """The highest level that was worth it. ``is_bounded``: a higher one was tried, and was not.

    ``rule`` and ``why`` are sentences for people.
    """

    level: float
    throughput: float
    p95_s: float
    is_bounded: bool
    rule: str
    why: str


def find_knee(
    points: Sequence[LoadPoint], gain_per_doubling: float = GAIN_PER_DOUBLING, slowdown: float = SLOWDOWN
) -> Knee | None:
    """Go up the levels as long as each doubling brings throughput, and latency stays in bounds.

    A level is compared with the best below it, and with as many doublings as lie between: one bad minute of the machine
    does not end the search. None without points.

    Args:
        points: in any order; of several at one level the last counts.
        gain_per_doubling: least growth of the throughput, as a share.
        slowdown: highest p95, as a multiple of that at the lowest level.
    """
    by_level = sorted({point.level: point for point in points}.values(), key=lambda point: point.level)
    if not by_level:
        return None
    lowest, best = by_level[0], by_level[0]
    limit_s = slowdown * lowest.p95_s
    why = "no higher level was tried"
    for point in by_level[1:]:
        if point.p95_s > limit_s:
            why = (
                f"at {point.level:g} p95 is {point.p95_s:.2f} s, over {slowdown:g} times the {lowest.p95_s:.2f} s at "
                f"{lowest.level:g}"
            )
            break
        doublings = math.log2(point.level / best.level)
        if point.throughput >= best.throughput * (1 + gain_per_doubling) ** doublings:
            best, why = point, "no higher level was tried"
        else:
            growth = point.throughput / best.throughput - 1 if best.throughput else 0.0
            why = f"from {best.level:g} to {point.level:g} throughput changes by {100 * growth:+.0f} %"
    rule = (
        f"the highest level that brings at least {100 * gain_per_doubling:g} % more throughput for each doubling, "
        f"with a p95 of at most {slowdown:g} times that of the lowest level"
    )
    return Knee(best.level, best.throughput, best.p95_s, best is not by_level[-1], rule, why)
