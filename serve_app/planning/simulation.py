"""A discrete-event simulation of the graph: what each request waits for, in order of time.

Own code and not SimPy: batches of a fair queue and processors that are shared are the whole of it, and SimPy has
neither; its generators and event objects would come on top of the heap that is needed anyway.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from serve_app.planning.arrivals import Request
from serve_app.planning.costs import Costs, Device, Stage, StageCost
from serve_app.planning.processors import Processors
from serve_app.planning.stations import BatchStation, Done, Station, StationRecord

# The first requests find an empty cluster.
WARM_UP_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Cluster:
    """What there is. A slice of a cluster has parts of all of it.

    Attributes:
        replicas: of each stage; one of a stage that is not named.
        cpus: processors that all stages share, without those that the idle service takes.
        gpus: the same.
    """

    replicas: Mapping[Stage, float] = field(default_factory=dict)
    cpus: float = math.inf
    gpus: float = math.inf

    def slice(self, part: float) -> Cluster:
        """So much of it; part is at most 1."""
        replicas = {stage: number * part for stage, number in self.replicas.items()}
        return Cluster(replicas, self.cpus * part, self.gpus * part)


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """What a stage did. Waits are for a worker; a batched stage's are of windows, and ``batch_items`` their mean."""

    utilisation: float
    mean_wait_s: float
    p95_wait_s: float
    batch_items: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of the requests, without the first tenth of them.

    Attributes:
        latencies_s: shape [n], from arrival to answer; infinite for a refused request.
        length_classes: shape [n], of the mix.
        stages: by stage; utilisations are those until the last arrival.
        cpu_utilisation: part of the processors that was busy; 0 where there is no end of them.
        gpu_utilisation: the same.
        cpu_s: processor seconds of all requests, the first tenth of them included.
    """

    latencies_s: npt.NDArray[np.float64]
    length_classes: npt.NDArray[np.int64]
    stages: Mapping[Stage, StageOutcome]
    cpu_utilisation: float
    gpu_utilisation: float
    cpu_s: float

    @property
    def refused_share(self) -> float:
        """Part of the requests that found the service full."""
        return float(np.isinf(self.latencies_s).mean())

    def percentile_s(self, percent: float, length_class: int | None = None) -> float:
        """Of the latency, the smallest that so many do not exceed; a refused request exceeds any."""
        chosen = self.latencies_s if length_class is None else self.latencies_s[self.length_classes == length_class]
        return float(np.percentile(chosen, percent, method="inverted_cdf")) if len(chosen) else math.nan


def simulate(costs: Costs, cluster: Cluster, requests: Sequence[Request], seed: int = 0) -> Outcome:
    """Serve the requests, which are in order of arrival; the same for the same arguments.

    Raises:
        ValueError: there are none.
    """
    if not requests:
        raise ValueError("no requests")
    simulation = _Simulation(costs, cluster, seed)
    latencies_s = simulation.serve(requests)
    measured = slice(int(len(requests) * WARM_UP_SHARE), None)
    return Outcome(
        latencies_s=latencies_s[measured],
        length_classes=np.array([request.length_class for request in requests])[measured],
        stages=simulation.stage_outcomes(),
        cpu_utilisation=simulation.busy_units[Device.CPU] / cluster.cpus,
        gpu_utilisation=simulation.busy_units[Device.GPU] / cluster.gpus,
        cpu_s=simulation.cpu_s,
    )


class _Simulation:
    def __init__(self, costs: Costs, cluster: Cluster, seed: int) -> None:
        self.now_s = 0.0
        self._costs = {cost.stage: cost for cost in costs.stages}
        self._hops_s = costs.hops_s
        self._cluster = cluster
        self._devices = {Device.CPU: Processors(cluster.cpus), Device.GPU: Processors(cluster.gpus)}
        self._stations = {
            cost.stage: Station(cost, self._replicas(cost.stage), self._devices[cost.device], self, seed + number)
            for number, cost in enumerate(costs.stages)
            if cost.batches is None
        }
        recognizer = self._costs[Stage.RECOGNIZER]
        self._recognition = BatchStation(
            recognizer,
            self._replicas(recognizer.stage),
            self._devices[recognizer.device],
            self,
            seed + len(costs.stages),
        )
        holds = self._costs[Stage.INGRESS].holds
        self._most = math.inf if holds is None else max(1, round(holds * self._replicas(Stage.INGRESS)))
        self._inside = 0
        self.busy_units: dict[Device, float] = {}
        self._busy_workers: dict[Stage, float] = {}

    @property
    def cpu_s(self) -> float:
        """Processor seconds so far."""
        return self._devices[Device.CPU].busy_unit_s

    def serve(self, requests: Sequence[Request]) -> npt.NDArray[np.float64]:
        latencies_s = np.full(len(requests), math.inf)
        for number, request in enumerate(requests):
            self._run_until(request.arrival_s)
            if self._inside < self._most:
                self._admit(request, latencies_s, number)
        if self.now_s:
            self._note_use()
        self._run_until(math.inf)
        if not self.busy_units:
            # All came at the first moment.
            self._note_use()
        return latencies_s

    def _run_until(self, moment_s: float) -> None:
        cpu, gpu = self._devices[Device.CPU], self._devices[Device.GPU]
        while True:
            cpu_s, gpu_s = cpu.next_end_s, gpu.next_end_s
            step_s = cpu_s if cpu_s <= gpu_s else gpu_s
            if self.now_s + step_s > moment_s or step_s == math.inf:
                break
            cpu.advance(step_s)
            gpu.advance(step_s)
            self.now_s += step_s
            (cpu if cpu_s <= gpu_s else gpu).end_next()
        if moment_s < math.inf:
            cpu.advance(moment_s - self.now_s)
            gpu.advance(moment_s - self.now_s)
            self.now_s = moment_s

    def _admit(self, request: Request, latencies_s: npt.NDArray[np.float64], number: int) -> None:
        self._inside += 1

        def answer() -> None:
            self._inside -= 1
            latencies_s[number] = self.now_s - request.arrival_s + self._hops_s

        def hear() -> None:
            joined = _after(2 if request.is_diarized else 1, lambda: self._pass(Stage.REFINER, request, answer))
            if request.is_diarized:
                self._pass(Stage.DIARIZER, request, joined)
            self._pass(Stage.LANGUAGE_IDENTIFIER, request, lambda: self._recognize(request, joined))

        steps = (Stage.PROXY, Stage.INGRESS, Stage.DECODER, Stage.SPEECH_GATE)
        self._pass_all(steps, request, hear)
        if beside := self._costs.get(Stage.RAY):
            # Nobody waits for the daemons' share, but it is computed on the same processors.
            self._devices[Device.CPU].start(beside.work_s(request.duration_s), _nothing)

    def _pass_all(self, stages: Sequence[Stage], request: Request, done: Done) -> None:
        if not stages:
            done()
            return
        self._pass(stages[0], request, lambda: self._pass_all(stages[1:], request, done))

    def _pass(self, stage: Stage, request: Request, done: Done) -> None:
        """Through a stage; one that the profile does not have takes no time."""
        cost = self._costs.get(stage)
        if cost is None:
            done()
            return
        work_s = cost.work_s(request.duration_s)
        self._called(cost, lambda: self._stations[stage].call(work_s, done))

    def _called(self, cost: StageCost, then: Callable[[], None]) -> None:
        if cost.call_s:
            self._devices[Device.CPU].start(cost.call_s, then)
        else:
            then()

    def _recognize(self, request: Request, done: Done) -> None:
        """Groups of windows, some of them ahead of the one that is waited for, as the pipeline does."""
        batches = self._costs[Stage.RECOGNIZER].batches
        assert batches is not None  # noqa: S101  # Costs has made sure
        groups = deque(_groups(request.windows_s, batches.group_s))
        joined = _after(len(groups), done)

        def send() -> None:
            if groups:
                group = groups.popleft()
                self._called(self._costs[Stage.RECOGNIZER], lambda: self._recognition.call(group, finished))

        def finished() -> None:
            joined()
            send()

        for _ in range(min(len(groups), batches.groups_in_flight)):
            send()

    def stage_outcomes(self) -> dict[Stage, StageOutcome]:
        """Of all stages that are waited for."""
        outcomes: dict[Stage, StageOutcome] = {}
        for stage, cost in self._costs.items():
            if stage is not Stage.RAY:
                outcomes[stage] = self._outcome(cost, self._record(cost))
        return outcomes

    def _note_use(self) -> None:
        """Before the last requests find the cluster ever emptier."""
        passed_s = max(self.now_s, 1e-9)
        self.busy_units = {device: units.busy_unit_s / passed_s for device, units in self._devices.items()}
        for stage, cost in self._costs.items():
            worker_s = self._record(cost).worker_s if stage is not Stage.RAY else 0.0
            self._busy_workers[stage] = worker_s / passed_s

    def _record(self, cost: StageCost) -> StationRecord:
        return self._recognition.record if cost.batches else self._stations[cost.stage].record

    def _outcome(self, cost: StageCost, record: StationRecord) -> StageOutcome:
        waits_s = np.array(record.waits_s[int(len(record.waits_s) * WARM_UP_SHARE) :] or [0.0])
        return StageOutcome(
            utilisation=self._busy_workers[cost.stage] / (cost.workers * self._replicas(cost.stage)),
            mean_wait_s=float(waits_s.mean()),
            p95_wait_s=float(np.percentile(waits_s, 95)),
            batch_items=record.windows / record.batches if record.batches else None,
        )

    def _replicas(self, stage: Stage) -> float:
        return self._cluster.replicas.get(stage, 1.0)


def _groups(windows_s: Sequence[float], group_s: float) -> list[list[float]]:
    """Consecutive windows of at most about group_s."""
    groups: list[list[float]] = []
    room_s = 0.0
    for window_s in windows_s:
        if not groups or window_s > room_s:
            groups.append([])
            room_s = group_s
        groups[-1].append(window_s)
        room_s -= window_s
    return groups


def _after(calls: int, done: Done) -> Done:
    """Calls done when it has been called so often itself."""
    left = calls

    def joined() -> None:
        nonlocal left
        left -= 1
        if not left:
            done()

    return joined


def _nothing() -> None:
    """Nobody waits."""
