"""Whether `rayscribe plan` foretells a running service: the same arrivals, sent and simulated."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from load_tests.hardware import read_hardware
from load_tests.options import (
    DEFAULT_RESULTS,
    DEFAULT_SERVER,
    AudioOption,
    ResultsOption,
    ServerOption,
    StartOption,
    recordings_in,
)
from load_tests.paced import speech_of
from load_tests.plan_runs import Bench, Requests, Run, run_in_turns
from load_tests.processes import ServiceNotLocal, find_service
from load_tests.report import Cell, Column, Report, Table, wide_console
from load_tests.service import ServiceUnreachable, running_service
from serve_app.planning.arrivals import LengthMix, Request, Workload, poisson_requests
from serve_app.planning.costs import Costs, CostsUnusable, costs_of_profile, read_costs
from serve_app.planning.simulation import WARM_UP_SHARE, Cluster, simulate

_MIX = LengthMix.of([(6, 60), (20, 40)])
_BURST = 40
_REFERENCE, _REFERENCE_HZ = 30, 2.0
_PERCENTS = (50, 95)

CostsOption = Annotated[
    Path | None, typer.Option("--costs", metavar="FILE", help="Default: those of the embedded profile.")
]
RatesOption = Annotated[str, typer.Option("--rates", metavar="HZ,…", help="Requests a second, load by load.")]
CountOption = Annotated[int, typer.Option("--requests", min=20, help="In each load.")]
TurnsOption = Annotated[int, typer.Option("--turns", min=1, help="Each load so many times; a turn is five minutes.")]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a load: processor seconds of a request, latencies at _PERCENTS, seconds of audio a second."""

    cpu_s: float
    latencies_s: tuple[float, ...]
    speed: float


@dataclass(frozen=True, slots=True)
class Compared:
    """One load: what was foretold, and what came.

    Attributes:
        name: of the load.
        others_cores: see Run.
        foretold: by the costs as they are.
        of_the_minute: by costs as much higher as the reference was before and after.
        measured: in all turns together.
        failed: requests without an answer.
    """

    name: str
    others_cores: float
    foretold: Figures
    of_the_minute: Figures
    measured: Figures
    failed: int


def plan_check(
    server: ServerOption = DEFAULT_SERVER,
    start: StartOption = False,
    audio: AudioOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    costs: CostsOption = None,
    rates: RatesOption = "1,2,3,4",
    requests: CountOption = 50,
    turns: TurnsOption = 3,
) -> None:
    """Send Poisson arrivals and a burst to a service with one replica of each stage, and simulate the same."""
    console = wide_console()
    try:
        rates_hz = [float(rate) for rate in rates.split(",")]
    except ValueError:
        raise typer.BadParameter("give numbers such as 0.5,1", param_hint="--rates") from None
    report = Report("plan-check", read_hardware())
    try:
        known = costs_of_profile("embedded") if costs is None else read_costs(costs)
        speech = speech_of(recordings_in(audio)[0])
        loads = {f"{rate_hz:g} requests/s": _arriving(known, rate_hz, requests) for rate_hz in rates_hz}
        loads[f"{_BURST} at once"] = _burst(known)
        reference = _arriving(known, _REFERENCE_HZ, _REFERENCE, seed=3)
        with running_service(server, start=start) as service, console.status("Sending"):
            bench = Bench(service, find_service(service.url), speech)
            runs = run_in_turns(bench.send, known, loads, reference, turns)
    except (CostsUnusable, ServiceUnreachable, ServiceNotLocal) as error:
        console.print(str(error), style="red")
        raise typer.Exit(2) from error
    report.tables.append(compared_table([compared(name, known, loads[name], runs[name]) for name in loads]))
    report.publish(results, console)


def _arriving(costs: Costs, rate_hz: float, count: int, seed: int = 1) -> tuple[Request, ...]:
    return poisson_requests(_workload(costs), rate_hz, count, seed=seed)


def _burst(costs: Costs) -> tuple[Request, ...]:
    drawn = poisson_requests(_workload(costs), 1.0, _BURST, seed=2)
    return tuple(Request(0.0, one.length_class, one.duration_s, one.windows_s, is_diarized=False) for one in drawn)


def _workload(costs: Costs) -> Workload:
    return Workload(_MIX, costs.speech_share, costs.recognizer.longest_window_s)


def compared(name: str, costs: Costs, requests: Requests, runs: Sequence[Run]) -> Compared:
    """What came in all runs of a load, beside what is foretold for each of them."""
    audio_s = sum(request.duration_s for request in requests)
    kept = [run.latencies_s[int(len(requests) * WARM_UP_SHARE) :] for run in runs]
    return Compared(
        name,
        others_cores=statistics.mean(run.others_cores for run in runs),
        foretold=_foretold(costs, requests, [(1.0, run) for run in runs]),
        of_the_minute=_foretold(costs, requests, [(run.slowness, run) for run in runs]),
        measured=_figures([run.cpu_s for run in runs], kept, [audio_s / run.wall_s for run in runs]),
        failed=sum(int(np.isinf(run.latencies_s).sum()) for run in runs),
    )


def _foretold(costs: Costs, requests: Requests, runs: Iterable[tuple[float, Run]]) -> Figures:
    audio_s = sum(request.duration_s for request in requests)
    cpu_s, latencies_s, speeds = [], [], []
    for slowness, run in runs:
        outcome = simulate(costs.slower(slowness), Cluster(cpus=run.free_cores), requests)
        arrivals_s = np.array([request.arrival_s for request in requests[-len(outcome.latencies_s) :]])
        cpu_s.append(outcome.cpu_s / len(requests))
        latencies_s.append(outcome.latencies_s)
        # Until the last answer, which the last to arrive need not get.
        speeds.append(audio_s / float((arrivals_s + outcome.latencies_s).max()))
    return _figures(cpu_s, latencies_s, speeds)


def _figures(
    cpu_s: Sequence[float], latencies_s: Sequence[npt.NDArray[np.float64]], speeds: Sequence[float]
) -> Figures:
    """Of all turns: latencies are those of all requests together."""
    together = np.concatenate(latencies_s)
    percentiles = tuple(float(np.percentile(together, percent, method="inverted_cdf")) for percent in _PERCENTS)
    return Figures(statistics.mean(cpu_s), percentiles, statistics.mean(speeds))


def compared_table(loads: Sequence[Compared]) -> Table:
    """Foretold beside measured, and by how much the first is more."""
    rows = [
        row
        for load in loads
        for row in (
            (load.name, load.others_cores, *_beside(load.foretold, load.measured), load.failed),
            ("of the minute", None, *_beside(load.of_the_minute, load.measured), None),
        )
    ]
    latency = [
        column
        for percent in _PERCENTS
        for column in (Column(f"p{percent} foretold s", 2), Column("measured", 2), Column("off %", 0))
    ]
    return Table(
        "What the simulation foretells, and what a service does",
        (
            Column("load"),
            Column("others' cores", 2),
            Column("CPU ms a request foretold", 0),
            Column("measured", 0),
            Column("off %", 0),
            *latency,
            Column("× real time foretold"),
            Column("measured"),
            Column("off %", 0),
            Column("failed"),
        ),
        tuple(rows),
        "One replica of each stage on this machine. Processors that other programs took meanwhile, the sender among "
        "them, are not there in the simulation. Of the minute: by costs as much higher as those of another load were "
        "right before and after.",
    )


def _beside(foretold: Figures, measured: Figures) -> list[Cell]:
    cells: list[Cell] = []
    for one, other in (
        (1000 * foretold.cpu_s, 1000 * measured.cpu_s),
        *zip(foretold.latencies_s, measured.latencies_s, strict=True),
        (foretold.speed, measured.speed),
    ):
        cells += [one, other, 100 * (one / other - 1)]
    return cells


if __name__ == "__main__":
    typer.run(plan_check)
