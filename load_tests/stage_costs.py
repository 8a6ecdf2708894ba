"""What a request costs in each stage, as `rayscribe plan` wants it.

Engines are measured in this process, by their processor time, on a GPU by the clock. What the service adds around them
is the processor time of its processes over requests of two lengths, less what the engines take of it and what the idle
service takes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from deployments.contracts import SAMPLE_RATE_HZ, Samples
from load_tests.hardware import read_hardware
from load_tests.latency import as_wav
from load_tests.options import DEFAULT_SERVER, AudioOption, ServerOption, StartOption, recordings_in
from load_tests.processes import ProcessGroup, ServiceNotLocal, find_service
from load_tests.recordings import Recording, wheel_recordings
from load_tests.report import Column, Report, Table, wide_console
from load_tests.service import Service, ServiceUnreachable, running_service
from load_tests.stage_engines import EngineMeter, non_negative_fit
from load_tests.throughput import load_of
from serve_app.planning.arrivals import Request
from serve_app.planning.costs import Costs, Device, Stage, StageCost, costs_json
from serve_app.planning.simulation import Cluster, simulate
from serve_app.serve_config import DEFAULT_CONFIG, ConfigError, load_config, load_settings

_NEEDED_S = 75.0
_REPEATS = 4
_SHORT_S, _LONG_S = 5.0, 60.0
_CONCURRENT = 4
_TURNS = 3
_IDLE_S = 8.0
_RAY_PROCESSES = ("ray daemons", "controller", "driver", "other", "Limiter", "JobRunner")
METHOD = (
    "python -m load_tests.stage_costs: engines in one process by CPU time (on a GPU by the clock), linear in the "
    f"length, median of three; the service's processes by CPU time over requests of {_SHORT_S:g} and {_LONG_S:g} s "
    f"WAV, {_CONCURRENT} at once, median of {_TURNS}, less the engines and the idle service; hops by the latency of a "
    "request alone."
)

ConfigFile = Annotated[
    Path, typer.Option("--config", help="Serve config file that the service runs.", dir_okay=False, exists=True)
]
OutputOption = Annotated[Path, typer.Option("--output", metavar="FILE", help="Where the costs go.", dir_okay=False)]
RequestsOption = Annotated[int, typer.Option("--requests", min=8, help="Short requests; of long ones a fifth.")]


@dataclass(frozen=True, slots=True)
class ServedCosts:
    """Processor seconds of each process for a request of each length, without those of the idle service.

    ``alone_s`` is the latency of a short request that meets no other.
    """

    by_process: Mapping[str, tuple[float, float]]
    idle_cores: float
    alone_s: float

    def of(self, *names: str) -> tuple[float, float]:
        """Of processes together, (short, long)."""
        found = [self.by_process.get(name, (0.0, 0.0)) for name in names]
        return sum(short for short, _ in found), sum(long for _, long in found)


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
    except (ConfigError, ServiceUnreachable, ServiceNotLocal) as error:
        console.print(str(error), style="red")
        raise typer.Exit(2) from error
    computing = Costs(
        profile=settings.profile,
        measured_on=hardware.line(),
        method=METHOD,
        speech_share=meter.speech_share(),
        idle_cpu_cores=served.idle_cores,
        stages=_reserving(assembled([cost for cost in engines if cost], served, settings.limits.max_requests), config),
    )
    costs = replace(computing, hops_s=max(0.0, served.alone_s - alone_s(computing)))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(costs_json(costs))
    Report("stage-costs", hardware, [costs_table(costs)]).print(console)
    console.print(f"Saved {output}")


def measure_service(service: Service, speech: Samples, requests: int) -> ServedCosts:
    """Idle, then short requests and long ones in turn, then short ones with speakers; medians of the turns.

    The first requests cost a fifth more than those that follow, and neighbours come and go.

    Raises:
        ServiceNotLocal: its processes are not to be seen from here.
        ListenFailed: a request failed.
    """
    group = find_service(service.url)
    short, long = (as_wav(speech[: int(length_s * SAMPLE_RATE_HZ)]) for length_s in (_SHORT_S, _LONG_S))
    _send(service, short, requests)
    before_s, begun_s = group.cpu_s(), time.perf_counter()
    time.sleep(_IDLE_S)
    idle = _rates(before_s, group.cpu_s(), time.perf_counter() - begun_s)
    turns = [
        [
            _spent_s(service, group, idle, data, count)
            for data, count in ((short, requests), (long, max(4, requests // 5)))
        ]
        for _ in range(_TURNS)
    ]
    by_process = {name: _medians_s(turns, name) for name in idle}
    before_s, count = group.cpu_s(), max(4, requests // 5)
    _send(service, short, count, diarize=True)
    diarizer_s = (group.cpu_s()[Stage.DIARIZER] - before_s[Stage.DIARIZER]) / count
    by_process[Stage.DIARIZER] = (diarizer_s, diarizer_s * _LONG_S / _SHORT_S)
    return ServedCosts(by_process, sum(idle.values()), statistics.median(_latencies_s(service, short, requests)))


def alone_s(costs: Costs) -> float:
    """What the simulation makes of the short request that meets no other."""
    request = Request(0.0, 0, _SHORT_S, (_SHORT_S * costs.speech_share,), is_diarized=False)
    return simulate(costs, Cluster(), [request]).percentile_s(50)


def _latencies_s(service: Service, data: bytes, count: int) -> Iterator[float]:
    for _ in range(count):
        begun_s = time.perf_counter()
        service.listen(data)
        yield time.perf_counter() - begun_s


def _spent_s(
    service: Service, group: ProcessGroup, idle: Mapping[str, float], data: bytes, count: int
) -> dict[str, float]:
    """Of each process for one of count requests, without what it takes when it is idle."""
    before_s, begun_s = group.cpu_s(), time.perf_counter()
    _send(service, data, count)
    wall_s = time.perf_counter() - begun_s
    rates = _rates(before_s, group.cpu_s(), wall_s)
    return {name: max(0.0, rate - idle.get(name, 0.0)) * wall_s / count for name, rate in rates.items()}


def _medians_s(turns: Sequence[Sequence[Mapping[str, float]]], name: str) -> tuple[float, float]:
    short_s, long_s = (
        statistics.median(each.get(name, 0.0) for each in of_length) for of_length in zip(*turns, strict=True)
    )
    return short_s, long_s


def assembled(engines: Sequence[StageCost], served: ServedCosts, max_requests: int) -> tuple[StageCost, ...]:
    """The engines' costs with what the service adds to each, and the processes that have no engine."""
    stages = [
        _around(Stage.PROXY, served.of("proxy")),
        replace(_around(Stage.INGRESS, served.of("Ingress")), holds=max_requests),
    ]
    for cost in engines:
        short_s, _ = served.of(cost.stage)
        # A GPU's engine is no work of the CPU; what its process does there is the cost of the call.
        own_s = 0.0 if cost.device is Device.GPU else _engine_s(cost, _SHORT_S) * cost.threads
        stages.append(replace(cost, call_s=max(0.0, short_s - own_s)))
    stages += [_around(Stage.REFINER, served.of(Stage.REFINER)), _around(Stage.RAY, served.of(*_RAY_PROCESSES))]
    return tuple(stages)


def _around(stage: Stage, spent_s: tuple[float, float]) -> StageCost:
    """A line through the two lengths."""
    request_s, audio_s = non_negative_fit([(1.0, _SHORT_S), (1.0, _LONG_S)], [max(each, 1e-6) for each in spent_s])
    return StageCost(stage, request_s=request_s, audio_s=audio_s)


def _engine_s(cost: StageCost, duration_s: float) -> float:
    return cost.work_s(duration_s) if cost.batches is None else cost.batches.work_s(1, duration_s)


def costs_table(costs: Costs) -> Table:
    """For people."""
    rows = []
    for cost in costs.stages:
        batches = cost.batches
        request_s = cost.request_s if batches is None else batches.batch_s + batches.item_s
        audio_s = cost.audio_s if batches is None else batches.padded_s
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


def _send(service: Service, data: bytes, count: int, *, diarize: bool = False) -> None:
    with ThreadPoolExecutor(_CONCURRENT) as pool:
        for _ in pool.map(lambda recording: service.listen(recording, diarize=diarize), [data] * count):
            pass


def _rates(before_s: Mapping[str, float], after_s: Mapping[str, float], wall_s: float) -> dict[str, float]:
    """Cores that each process took."""
    return {name: max(0.0, spent_s - before_s.get(name, 0.0)) / wall_s for name, spent_s in after_s.items()}


def speech_of(recordings: Sequence[Recording]) -> Samples:
    """Real speech without long pauses, over a minute of it; that of the wheel where there are no recordings."""
    read = [recording for recording in recordings if recording.kind == "read" and recording.language == "en"]
    chosen: list[Recording] = []
    for recording in read or wheel_recordings() * _REPEATS:
        chosen.append(recording)
        if sum(each.duration_s for each in chosen) > _NEEDED_S:
            break
    return np.concatenate(load_of(chosen).samples)


if __name__ == "__main__":
    typer.run(stage_costs)
