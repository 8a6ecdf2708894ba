"""A plan as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict

from serve_app.planning.bill import Prices, bill_of
from serve_app.planning.costs import Costs
from serve_app.planning.search import Plan

_PERCENTS = (50, 90, 95, 99)


def report(costs: Costs, plan: Plan, prices: Prices) -> dict[str, object]:
    """Everything that the command prints, and a little more."""
    outcome, bill = plan.outcome, bill_of(plan, prices)
    by_length = [
        {"mean_length_s": entry.mean_s, "share": entry.share, **_latencies(plan, number)}
        for number, entry in enumerate(plan.load.mix.classes)
    ]
    return {
        "profile": costs.profile,
        "costs_measured_on": costs.measured_on,
        "requests_per_s": {"mean": plan.load.mean_rate_hz, "peak": plan.load.peak_rate_hz},
        "stages": [
            {"stage": stage.value, "replicas": replicas, **asdict(outcome.stages[stage])}
            for stage, replicas in plan.replicas.items()
        ],
        "cpus": plan.cpus,
        "gpus": plan.gpus,
        "cpu_utilisation": outcome.cpu_utilisation,
        "gpu_utilisation": outcome.gpu_utilisation,
        "latency_s": _latencies(plan, None),
        "latency_by_length": by_length,
        "target_p95_s": plan.target_s,
        "idle_p95_s": plan.idle_p95_s,
        "refused_share": outcome.refused_share,
        "simulated_part": plan.simulated_part,
        "cost": None if bill is None else asdict(bill),
    }


def _latencies(plan: Plan, length_class: int | None) -> dict[str, float | None]:
    """None where it is not finite: no such recording was drawn, or it was refused."""
    found = {f"p{percent}": plan.outcome.percentile_s(percent, length_class) for percent in _PERCENTS}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
