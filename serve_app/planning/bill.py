"""What a plan costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from serve_app.planning.search import Plan


@dataclass(frozen=True, slots=True)
class Prices:
    """In one currency; None: not to be counted."""

    cpu_hour: float | None = None
    gpu_hour: float | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """Of a day, with everything always on, and if processors follow the load from hour to hour."""

    day_fixed: float
    day_scaled: float
    audio_hour_fixed: float
    audio_hour_scaled: float


def bill_of(plan: Plan, prices: Prices) -> Bill | None:
    """None where there are no prices.

    Following the load keeps each hour as busy as the busiest, in whole processors, and at least one of each kind.
    """
    if prices.cpu_hour is None and prices.gpu_hour is None:
        return None
    parts = plan.hourly_parts()
    fixed = scaled = 0.0
    for units, price in ((plan.cpus, prices.cpu_hour), (plan.gpus, prices.gpu_hour)):
        if price is not None:
            fixed += units * price * len(parts)
            scaled += sum(math.ceil(units * part) for part in parts) * price
    hours = plan.load.audio_hours_per_day
    return Bill(fixed, scaled, fixed / hours, scaled / hours)
