"""Whether `rayscribe plan` foretells a running service: the same arrivals, sent and simulated."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import psutil
import typer

from deployments.contracts import Samples
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
from load_tests.paced import send_paced, speech_of, wav_pieces
from load_tests.processes import ProcessGroup, ServiceNotLocal, find_service
from load_tests.report import Cell, Column, Report, Table, wide_console
from load_tests.service import Service, ServiceUnreachable, running_service
from serve_app.planning.arrivals import LengthMix, Request, Workload, poisson_requests
from serve_app.planning.costs import Costs, CostsUnusable, costs_of_profile, read_costs
from serve_app.planning.simulation import WARM_UP_SHARE, Cluster, simulate

_MIX = LengthMix.of([(6, 60), (20, 40)])
_BURST = 40
_IDLE_S = 8.0
_BUSY = ("user", "nice", "system", "irq", "softirq", "steal")
_PERCENTS = (50, 95)

CostsOption = Annotated[
    Path | None, typer.Option("--costs", metavar="FILE", help="Default: those of the embedded profile.")
]
RatesOption = Annotated[str, typer.Option("--rates", metavar="HZ,…", help="Requests a second, run by run.")]
CountOption = Annotated[int, typer.Option("--requests", min=20, help="In each run.")]


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """What was measured. ``others_cores``: see Compared."""

    latencies_s: npt.NDArray[np.float64]
    wall_s: float
    service_cpu_s: float
    others_cores: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a run: processor seconds of a request, latencies at _PERCENTS, seconds of audio a second."""

    cpu_s: float
    latencies_s: tuple[float, ...]
    speed: float


@dataclass(frozen=True, slots=True)
class Compared:
    """One run: what was foretold, and what came.

    Attributes:
        name: of the load.
        others_cores: processors that programs took which are not the service, the sender among them.
        foretold: by the costs as they are.
        at_its_speed: by costs that are as much higher as the processor time of the run was. How fast a machine is
            changes within minutes, and says nothing of whether the graph is simulated rightly.
        measured: without the processor time of the idle service.
        failed: requests without an answer.
    """

    name: str
    others_cores: float
    foretold: Figures
    at_its_speed: Figures
    measured: Figures
    failed: int


def plan_check(
    server: ServerOption = DEFAULT_SERVER,
    start: StartOption = False,
    audio: AudioOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    costs: CostsOption = None,
    rates: RatesOption = "0.5,1,2",
    requests: CountOption = 60,
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
        with running_service(server, start=start) as service, console.status("Sending and simulating"):
            group = find_service(service.url)
            runs = [
                _compare(f"{rate_hz:g} requests/s", service, group, known, speech, _arriving(known, rate_hz, requests))
                for rate_hz in rates_hz
            ]
            runs.append(_compare(f"{_BURST} at once", service, group, known, speech, _burst(known)))
    except (CostsUnusable, ServiceUnreachable, ServiceNotLocal) as error:
        console.print(str(error), style="red")
        raise typer.Exit(2) from error
    report.tables.append(compared_table(runs))
    report.print(console)
    console.print(f"Saved {report.save(results)}")


def _arriving(costs: Costs, rate_hz: float, count: int) -> tuple[Request, ...]:
    return poisson_requests(_workload(costs), rate_hz, count, seed=1)


def _burst(costs: Costs) -> tuple[Request, ...]:
    drawn = poisson_requests(_workload(costs), 1.0, _BURST, seed=2)
    return tuple(Request(0.0, one.length_class, one.duration_s, one.windows_s, is_diarized=False) for one in drawn)


def _workload(costs: Costs) -> Workload:
    return Workload(_MIX, costs.speech_share, costs.recognizer.longest_window_s)


def _compare(
    name: str, service: Service, group: ProcessGroup, costs: Costs, speech: Samples, requests: Sequence[Request]
) -> Compared:
    files = wav_pieces(speech, [request.duration_s for request in requests])
    service.listen(files[0])
    idle_cores = _idle_cores(group)
    run = _run(service, group, files, requests)
    cores = len(psutil.Process().cpu_affinity())
    cluster = Cluster(cpus=max(cores - idle_cores - run.others_cores, 0.1))
    foretold = _foretold(costs, cluster, requests)
    measured = _measured(run, idle_cores, requests)
    at_its_speed = _foretold(costs.slower(measured.cpu_s / foretold.cpu_s), cluster, requests)
    failed = int(np.isinf(run.latencies_s).sum())
    return Compared(name, run.others_cores, foretold, at_its_speed, measured, failed)


def _foretold(costs: Costs, cluster: Cluster, requests: Sequence[Request]) -> Figures:
    outcome = simulate(costs, cluster, requests)
    arrivals_s = np.array([request.arrival_s for request in requests[-len(outcome.latencies_s) :]])
    # Until the last answer, which the last to arrive need not get.
    ends_s = float((arrivals_s + outcome.latencies_s).max())
    latencies_s = tuple(outcome.percentile_s(percent) for percent in _PERCENTS)
    return Figures(outcome.cpu_s / len(requests), latencies_s, _audio_s(requests) / ends_s)


def _measured(run: _Run, idle_cores: float, requests: Sequence[Request]) -> Figures:
    kept = run.latencies_s[int(len(requests) * WARM_UP_SHARE) :]
    latencies_s = tuple(float(np.percentile(kept, percent, method="inverted_cdf")) for percent in _PERCENTS)
    cpu_s = (run.service_cpu_s - idle_cores * run.wall_s) / len(requests)
    return Figures(cpu_s, latencies_s, _audio_s(requests) / run.wall_s)


def _audio_s(requests: Sequence[Request]) -> float:
    return sum(request.duration_s for request in requests)


def _idle_cores(group: ProcessGroup) -> float:
    before_s, begun_s = sum(group.cpu_s().values()), time.perf_counter()
    time.sleep(_IDLE_S)
    return (sum(group.cpu_s().values()) - before_s) / (time.perf_counter() - begun_s)


def _run(service: Service, group: ProcessGroup, files: Sequence[bytes], requests: Sequence[Request]) -> _Run:
    before_s, service_before_s = busy_s(psutil.cpu_times()), sum(group.cpu_s().values())
    begun_s = time.perf_counter()
    latencies_s = send_paced(service, files, [request.arrival_s for request in requests])
    wall_s = time.perf_counter() - begun_s
    all_s, service_s = busy_s(psutil.cpu_times()) - before_s, sum(group.cpu_s().values()) - service_before_s
    return _Run(latencies_s, wall_s, service_s, max(0.0, all_s - service_s) / wall_s)


def busy_s(times: Any) -> float:
    """Seconds of all processors on which something ran, by psutil.cpu_times(); what a host gave to others is, too."""
    return sum(getattr(times, kind, 0.0) for kind in _BUSY)


def compared_table(runs: Sequence[Compared]) -> Table:
    """Foretold beside measured, and by how much the first is more."""
    rows = [
        row
        for run in runs
        for row in (
            (run.name, run.others_cores, *_beside(run.foretold, run.measured), run.failed),
            ("at its speed", None, *_beside(run.at_its_speed, run.measured), None),
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
        "them, are not there in the simulation. At its speed: by costs as much higher as the run's processor time was.",
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
