"""What a request costs in each stage, as `rayscribe plan` wants it.

Engines are measured in this process, by their processor time, on a GPU by the clock: how they go with the length and
the size of a batch. What they and all around them take in a service is the processor time of its processes
(load_tests/served_costs.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from load_tests.hardware import read_hardware
from load_tests.options import DEFAULT_SERVER, AudioOption, ServerOption, StartOption, recordings_in
from load_tests.paced import speech_of
from load_tests.processes import ServiceNotLocal
from load_tests.report import Column, Report, Table, wide_console
from load_tests.served_costs import LOAD_SHARE, LONG_S, SHORT_S, TURNS, ServedCosts, measure_service
from load_tests.service import ListenFailed, ServiceUnreachable, running_service
from load_tests.stage_engines import EngineMeter, non_negative_fit
from serve_app.planning.arrivals import Request, windows_of
from serve_app.planning.costs import OPTIONAL, Costs, Device, Stage, StageCost, costs_json
from serve_app.planning.simulation import Cluster, simulate
from serve_app.serve_config import DEFAULT_CONFIG, ConfigError, load_config, load_settings

_DRAWS = 100
_FAR_APART_S = 1000.0
_RAY_PROCESSES = ("ray daemons", "controller", "driver", "other", "Limiter", "JobRunner")
METHOD = (
    "python -m load_tests.stage_costs: engines in one process by CPU time (on a GPU by the clock), linear in the "
    f"length, median of three; the service's processes by CPU time over requests of {SHORT_S:g} and {LONG_S:g} s WAV, "
    f"at random and {LOAD_SHARE:g} of what it can take, median of {TURNS}, less the idle service; engines as much "
    "slower as they are there; hops by the latency of a request alone."
)

ConfigFile = Annotated[
    Path, typer.Option("--config", help="Serve config file that the service runs.", dir_okay=False, exists=True)
]
OutputOption = Annotated[Path, typer.Option("--output", metavar="FILE", help="Where the costs go.", dir_okay=False)]
RequestsOption = Annotated[int, typer.Option("--requests", min=8, help="Short requests; of long ones a fifth.")]


def stage_costs(
    config: ConfigFile = DEFAULT_CONFIG,
    server: ServerOption = DEFAULT_SERVER,
    start: StartOption = False,
    audio: AudioOption = None,
    output: OutputOption = Path("results/stage-costs.json"),
    requests: RequestsOption = 40,
) -> None:
    """Measure what `rayscribe plan --costs FILE` reads: each stage's time for a request and a second of audio."""
    console = wide_console()
    hardware = read_hardware()
    try:
        settings = load_settings(config)
        speech = speech_of(recordings_in(audio)[0])
        meter = EngineMeter(settings, speech)
        with console.status("The engines"):
            engines = [meter.decoder(), meter.gate(), meter.language_identifier(), meter.recognizer(), meter.diarizer()]
        with running_service(server, start=start, config=config) as service, console.status("The service"):
            served = measure_service(service, speech, requests)
    except (ConfigError, ServiceUnreachable, ServiceNotLocal, ListenFailed) as error:
        console.print(str(error), style="red")
        raise typer.Exit(2) from error
    speech_share, found = meter.speech_share(), [cost for cost in engines if cost]
    stages = assembled(found, served, speech_share, settings.limits.max_requests)
    computing = Costs(
        profile=settings.profile,
        measured_on=hardware.line(),
        method=METHOD,
        speech_share=speech_share,
        idle_cpu_cores=served.idle_cores,
        stages=_reserving(stages, config),
    )
    costs = replace(computing, hops_s=max(0.0, served.alone_s - alone_s(computing)))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(costs_json(costs))
    Report("stage-costs", hardware, [costs_table(costs)]).print(console)
    console.print(f"Saved {output}")


def alone_s(costs: Costs) -> float:
    """What the simulation makes of the short request that meets no other."""
    request = Request(0.0, 0, SHORT_S, (SHORT_S * costs.speech_share,), is_diarized=False)
    return simulate(costs, Cluster(), [request]).percentile_s(50)


def assembled(
    engines: Sequence[StageCost], served: ServedCosts, speech_share: float, max_requests: int
) -> tuple[StageCost, ...]:
    """The engines' costs as they are in the service, and the processes that have no engine."""
    stages = [
        _around(Stage.PROXY, served.of("proxy")),
        replace(_around(Stage.INGRESS, served.of("Ingress")), holds=max_requests),
    ]
    stages += [_served(cost, served.of(cost.stage), speech_share) for cost in engines]
    stages += [_around(Stage.REFINER, served.of(Stage.REFINER)), _around(Stage.RAY, served.of(*_RAY_PROCESSES))]
    return tuple(stages)


def _around(stage: Stage, spent_s: tuple[float, float]) -> StageCost:
    """A line through the two lengths."""
    request_s, audio_s = non_negative_fit([(1.0, SHORT_S), (1.0, LONG_S)], _above_nothing(spent_s))
    return StageCost(stage, request_s=request_s, audio_s=audio_s)


def _served(cost: StageCost, spent_s: tuple[float, float], speech_share: float) -> StageCost:
    """An engine that takes as many times as long as it does in the service, and what a call costs around it."""
    if cost.device is Device.GPU:
        # A GPU's engine is no work of the CPU; what its process does there is the cost of the call.
        return replace(cost, call_s=spent_s[0])
    terms = [(1.0, engine_cpu_s(cost, duration_s, speech_share)) for duration_s in (SHORT_S, LONG_S)]
    call_s, factor = non_negative_fit(terms, _above_nothing(spent_s))
    return replace(cost.slower(factor), call_s=call_s)


def _above_nothing(spent_s: tuple[float, float]) -> tuple[float, ...]:
    return tuple(max(each_s, 1e-6) for each_s in spent_s)


def engine_cpu_s(cost: StageCost, duration_s: float, speech_share: float) -> float:
    """Processor seconds that an engine of the CPU takes for one recording which meets no other, without its calls."""
    if cost.batches is None:
        return cost.threads * cost.work_s(duration_s)
    others = tuple(StageCost(stage) for stage in set(Stage) - OPTIONAL - {cost.stage})
    costs = Costs("", "", "", speech_share, idle_cpu_cores=0.0, stages=(replace(cost, call_s=0.0), *others))
    draws = np.random.default_rng(0)
    drawn = [windows_of(speech_share * duration_s, cost.batches.longest_window_s, draws) for _ in range(_DRAWS)]
    requests = [
        Request(number * _FAR_APART_S, 0, duration_s, windows_s, is_diarized=False)
        for number, windows_s in enumerate(drawn)
    ]
    return simulate(costs, Cluster(), requests).cpu_s / _DRAWS


def costs_table(costs: Costs) -> Table:
    """For people."""
    rows = []
    for cost in costs.stages:
        batches = cost.batches
        request_s = cost.request_s if batches is None else batches.batch_s + batches.item_s
        audio_s = cost.audio_s if batches is None else batches.padded_s + batches.audio_s
        rows.append(
            (cost.stage.value, cost.device.value, cost.workers, 1000 * cost.call_s, 1000 * request_s, 1000 * audio_s)
        )
    return Table(
        f"Stage costs of {costs.profile}",
        (
            Column("stage"),
            Column("device"),
            Column("workers"),
            Column("call ms"),
            Column("request ms"),
            Column("ms a second", digits=2),
        ),
        tuple(rows),
        f"Idle: {costs.idle_cpu_cores:.2f} cores. Hops: {1000 * costs.hops_s:.0f} ms. "
        f"Speech: {100 * costs.speech_share:.0f} % of the audio. "
        "Of the Recognizer: a batch of one window, and a second of it.",
    )


def _reserving(stages: Sequence[StageCost], config: Path) -> tuple[StageCost, ...]:
    """With the parts of a GPU that the config gives to each replica."""
    applications = load_config(config).applications
    shares = {
        deployment.name: deployment.ray_actor_options.num_gpus or 0.0
        for application in applications
        for deployment in application.deployments
        if deployment.ray_actor_options
    }
    return tuple(replace(cost, gpu_share=shares.get(cost.stage, 0.0)) for cost in stages)


if __name__ == "__main__":
    typer.run(stage_costs)
