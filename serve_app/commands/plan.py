"""``rayscribe plan``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serve_app.commands.options import JsonOption
from serve_app.commands.table import print_table

if TYPE_CHECKING:
    from serve_app.planning.arrivals import DailyProfile, LengthMix
    from serve_app.planning.bill import Prices
    from serve_app.planning.costs import Costs
    from serve_app.planning.search import Load, Plan

_PERCENTS = (50, 95, 99)
# Voice messages, calls and a few meetings, 96 s in the mean: an assumption, not a measurement.
_LENGTHS = "10:60,60:25,300:13,1800:2"


_CostsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Stage costs, as `python -m load_tests.stage_costs` writes them.",
        show_default="those of the profile",
        dir_okay=False,
    ),
]
_LatencyOption = Annotated[
    float | None,
    typer.Option(
        metavar="S",
        help="95 % of the requests at the busiest moment are to be answered within it.",
        show_default="twice what an idle service takes",
        min=0.0,
    ),
]
_LengthsOption = Annotated[
    str,
    typer.Option(metavar="S:WEIGHT,…", help="Mean lengths of recordings in seconds, and how many there are of each."),
]


def plan(
    audio_hours_per_day: Annotated[float, typer.Option(help="Audio in recordings that come on a day.", min=0.001)],
    peak: Annotated[
        float, typer.Option(metavar="FACTOR", help="The busiest moment's rate over that of the day's mean, 1 to 24.")
    ],
    profile: Annotated[str, typer.Option(metavar="NAME", help="Of the config: embedded, gpu …")] = "embedded",
    costs: _CostsOption = None,
    latency_target: _LatencyOption = None,
    lengths: _LengthsOption = _LENGTHS,
    diarized: Annotated[
        float, typer.Option(metavar="SHARE", help="Part of the requests that wants speakers.", min=0.0, max=1.0)
    ] = 0.0,
    price_cpu_hour: Annotated[float | None, typer.Option(help="Of one CPU, in your currency.", min=0.0)] = None,
    price_gpu_hour: Annotated[float | None, typer.Option(help="Of one GPU.", min=0.0)] = None,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Say how many replicas, processors and GPUs a load takes, how long requests would wait, and what it costs.

    The graph is simulated at the busiest moment of the day, with measured costs of each stage.
    """
    from serve_app.planning.bill import Prices
    from serve_app.planning.costs import CostsUnusable
    from serve_app.planning.search import Effort, Load, TargetOutOfReach
    from serve_app.planning.search import plan as least

    _check_numbers(
        {
            "--audio-hours-per-day": audio_hours_per_day,
            "--latency-target": latency_target,
            "--diarized": diarized,
            "--price-cpu-hour": price_cpu_hour,
            "--price-gpu-hour": price_gpu_hour,
        }
    )
    if latency_target == 0:
        raise typer.BadParameter("give seconds above 0", param_hint="--latency-target")
    load = Load(audio_hours_per_day, _profile_of_day(peak), _mix(lengths), diarized)
    try:
        measured = _costs(profile, costs, diarized)
        found = least(measured, load, latency_target, Effort(seed=seed))
    except (CostsUnusable, TargetOutOfReach) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    write = _print_json if as_json else _print_plan
    write(measured, found, Prices(price_cpu_hour, price_gpu_hour))


def _check_numbers(given: dict[str, float | None]) -> None:
    """The ranges of options let "nan" and "inf" through."""
    for name, value in given.items():
        if value is not None and not math.isfinite(value):
            raise typer.BadParameter("give a number", param_hint=name)


def _profile_of_day(peak: float) -> DailyProfile:
    from serve_app.planning.arrivals import DailyProfile

    try:
        return DailyProfile(peak)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--peak") from None


def _mix(lengths: str) -> LengthMix:
    from serve_app.planning.arrivals import LengthMix

    try:
        pairs = [tuple(float(number) for number in entry.split(":")) for entry in lengths.split(",")]
        return LengthMix.of([(mean_s, weight) for mean_s, weight in pairs])
    except ValueError as error:
        raise typer.BadParameter(
            f"{error}; give seconds and weights, such as 10:60,300:40", param_hint="--lengths"
        ) from None


def _costs(profile: str, path: Path | None, diarized: float) -> Costs:
    from serve_app.planning.costs import CostsUnusable, Stage, costs_of_profile, read_costs

    costs = costs_of_profile(profile) if path is None else read_costs(path)
    if costs.profile != profile:
        raise CostsUnusable(f"{path} holds the costs of the profile {costs.profile!r}, not of {profile!r}.")
    if diarized and costs.of(Stage.DIARIZER) is None:
        raise CostsUnusable(f"The costs of {profile!r} have no Diarizer, so speakers cannot be planned for.")
    return costs


def _print_json(costs: Costs, plan: Plan, prices: Prices) -> None:
    import json

    from serve_app.planning.report import report

    typer.echo(json.dumps(report(costs, plan, prices), indent=2))


def _print_plan(costs: Costs, plan: Plan, prices: Prices) -> None:
    _print_load(plan.load)
    _print_stages(costs, plan)
    typer.echo()
    _print_latencies(plan)
    typer.echo()
    _print_totals(plan, prices)
    typer.echo(f"\nCosts measured on: {costs.measured_on}")


def _print_load(load: Load) -> None:
    typer.echo(
        f"{_amount(load.audio_hours_per_day)} hours of audio a day in recordings of {load.mix.mean_s:.0f} s on average"
        f": {_amount(load.mean_rate_hz)} requests/s, {_amount(load.peak_rate_hz)} at the busiest moment.\n"
    )


def _print_stages(costs: Costs, plan: Plan) -> None:
    rows = []
    for stage, replicas in plan.replicas.items():
        cost, outcome = costs.of(stage), plan.outcome.stages[stage]
        batch = "" if outcome.batch_items is None else f"{outcome.batch_items:.1f}"
        wait = f"{1000 * outcome.p95_wait_s:,.0f}"
        device = "" if cost is None else cost.device.value
        rows.append((stage.value, device, f"{replicas:,}", f"{100 * outcome.utilisation:.0f}", wait, batch))
    print_table(("stage", "on", "replicas", "busy %", "p95 wait ms", "batch"), rows, numbers=4)


def _print_latencies(plan: Plan) -> None:
    rows = []
    for number, entry in enumerate(plan.load.mix.classes):
        shown = (f"{plan.outcome.percentile_s(percent, number):.2f}" for percent in _PERCENTS)
        rows.append((f"about {entry.mean_s:g} s", *shown))
    rows.append(("all", *(f"{plan.outcome.percentile_s(percent):.2f}" for percent in _PERCENTS)))
    print_table(("recordings", *(f"p{percent} s" for percent in _PERCENTS)), rows, numbers=len(_PERCENTS))


def _print_totals(plan: Plan, prices: Prices) -> None:
    from serve_app.planning.bill import bill_of

    typer.echo(f"CPUs: {plan.cpus:,}, {100 * plan.outcome.cpu_utilisation:.0f} % busy at the busiest moment.")
    if plan.gpus:
        typer.echo(f"GPUs: {plan.gpus:,}, {100 * plan.outcome.gpu_utilisation:.0f} % busy.")
    typer.echo(
        f"Target: 95 % within {plan.target_s:.2f} s; a service with nothing else to do takes {plan.idle_p95_s:.2f} s."
    )
    if plan.simulated_part < 1:
        typer.echo(
            f"Simulated was a slice: {100 * plan.simulated_part:.2g} % of the requests on as much of the cluster, so "
            "that each stage is as busy. The whole waits less: many servers make nobody wait longer than few do."
        )
    if bill := bill_of(plan, prices):
        without = " without the CPUs" if prices.cpu_hour is None else ""
        without = " without the GPUs" if plan.gpus and prices.gpu_hour is None else without
        typer.echo(
            f"Cost a day{without}: {bill.day_fixed:,.2f} with everything always on, {bill.day_scaled:,.2f} if "
            f"processors follow the load by the hour ({bill.audio_hour_fixed:.4f} and {bill.audio_hour_scaled:.4f} an "
            "hour of audio)."
        )


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
