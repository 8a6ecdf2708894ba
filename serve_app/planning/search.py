"""The least of everything that serves a load in time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from serve_app.planning.arrivals import DailyProfile, LengthMix, Workload, poisson_requests
from serve_app.planning.costs import Costs, Device, Stage, StageCost
from serve_app.planning.simulation import Cluster, Outcome, simulate

HIGHEST_UTILISATION = 0.8
"""Costs may be wrong by a quarter (docs/benchmarks.md), and then everything is just busy: 0.8 times 1.25 is 1."""

TARGET_PERCENT = 95.0
_UNHURRIED = 2.0
_REFUSED = 0.001
_MOST = 64.0
_CLOSE = 1.05
# So many mean stays, or so many of the longest recording's, until queues are what they will be.
_MEAN_STAYS_OF_A_RUN = 20.0
_LONGEST_STAYS_OF_A_RUN = 5.0


class TargetOutOfReach(Exception):
    """No number of replicas answers so soon."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be served.

    Attributes:
        audio_hours_per_day: of all recordings.
        profile: of the day.
        mix: of lengths.
        diarized_share: part of the requests that wants speakers.
    """

    audio_hours_per_day: float
    profile: DailyProfile
    mix: LengthMix
    diarized_share: float = 0.0

    @property
    def mean_rate_hz(self) -> float:
        """Requests a second over the day."""
        return self.audio_hours_per_day * 3600 / self.mix.mean_s / 86_400

    @property
    def peak_rate_hz(self) -> float:
        """Requests a second at the busiest moment."""
        return self.mean_rate_hz * self.profile.peak


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is simulated.

    Attributes:
        requests: in one run, about.
        seed: of all draws.
    """

    requests: int = 10_000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What the load takes.

    Attributes:
        load: as asked.
        replicas: of each stage.
        cpus, gpus: that all stages share.
        target_s: what 95 % of the requests are answered within, asked for or chosen.
        idle_p95_s: the same percentile where nobody waits for anybody.
        outcome: of the requests at the peak.
        simulated_part: of the cluster and the load; below 1 for a slice.
    """

    load: Load
    replicas: Mapping[Stage, int]
    cpus: int
    gpus: int
    target_s: float
    idle_p95_s: float
    outcome: Outcome
    simulated_part: float

    def hourly_parts(self) -> tuple[float, ...]:
        """Of the processors, what each hour of the day needs at the same utilisation, from the busiest hour on."""
        factors = self.load.profile.factors()
        return tuple(factor / factors[0] for factor in factors)


def plan(costs: Costs, load: Load, target_s: float | None = None, effort: Effort | None = None) -> Plan:
    """The least that answers 95 % of the requests at the busiest moment within target_s.

    Without a target it is twice what an idle service takes. No stage and no processor is to be busy for more than
    HIGHEST_UTILISATION of the time, and no more than one request in a thousand may be refused.

    Raises:
        TargetOutOfReach: an idle service takes longer; the message says how long.
    """
    return _Search(costs, load, effort or Effort()).run(target_s)


def simulated_part(load: Load, costs: Costs, requests: int) -> float:
    """Which part of the load is simulated, on the same part of the cluster: all of it, where that is not too much.

    The stay of a recording is the time from its arrival to its answer. A run has to be long beside the stays, or it
    ends before queues are as long as they will be; a large load brings more than ``requests`` in that time.
    """
    return min(1.0, requests / (load.peak_rate_hz * _run_s(costs, load.mix)))


def least_cluster(costs: Costs, load: Load) -> dict[Stage, int]:
    """Replicas of which no one is busy for more than HIGHEST_UTILISATION of the busiest moment.

    The recogniser's share is that of full batches: it fills them by itself as load grows.
    """
    replicas: dict[Stage, int] = {}
    for cost in costs.stages:
        if cost.stage is not Stage.RAY:
            rate_hz = load.peak_rate_hz * _share(cost, load)
            of_workers = rate_hz * work_s(costs, cost, load.mix.mean_s) / cost.workers
            # What is not a worker's happens on one event loop.
            of_loop = rate_hz * cost.call_s
            replicas[cost.stage] = max(1, math.ceil(max(of_workers, of_loop) / HIGHEST_UTILISATION))
    return replicas


def work_s(costs: Costs, cost: StageCost, duration_s: float) -> float:
    """Of the stage's workers, for a recording; of the recogniser in full batches of windows of the mean length."""
    if cost.batches is None:
        return cost.work_s(duration_s)
    speech_s = duration_s * costs.speech_share
    batches = cost.batches
    # Cut between 0.4 and 1 times the longest.
    windows = max(1.0, speech_s / (0.7 * batches.longest_window_s))
    window_s = speech_s / windows
    items = max(1, min(batches.max_items, int(batches.max_padded_s / window_s)))
    return windows * batches.work_s([window_s] * items) / items


def _share(cost: StageCost, load: Load) -> float:
    """Part of the requests that passes through a stage."""
    return load.diarized_share if cost.stage is Stage.DIARIZER else 1.0


def _demand(costs: Costs, load: Load, device: Device) -> float:
    """Units of a device that the busiest moment keeps busy."""
    units = costs.idle_cpu_cores if device is Device.CPU else 0.0
    for cost in costs.stages:
        rate_hz = load.peak_rate_hz * _share(cost, load)
        if cost.device is device:
            units += rate_hz * work_s(costs, cost, load.mix.mean_s) * cost.threads
        if device is Device.CPU:
            units += rate_hz * cost.call_s
    return units


def _run_s(costs: Costs, mix: LengthMix) -> float:
    """How long a run must be at least; stays are those in an idle service, where nothing waits."""
    recognizer = costs.of(Stage.RECOGNIZER)
    workers = 1 if recognizer is None else recognizer.workers

    def stay_s(duration_s: float) -> float:
        return sum(
            work_s(costs, cost, duration_s) / (workers if cost.batches else 1) + cost.call_s
            for cost in costs.stages
            if cost.stage is not Stage.RAY
        )

    return max(_MEAN_STAYS_OF_A_RUN * stay_s(mix.mean_s), _LONGEST_STAYS_OF_A_RUN * stay_s(mix.longest_s))


class _Search:
    def __init__(self, costs: Costs, load: Load, effort: Effort) -> None:
        self._costs = costs
        self._load = load
        self._seed = effort.seed
        self._part = simulated_part(load, costs, effort.requests)
        workload = Workload(load.mix, costs.speech_share, costs.recognizer.longest_window_s, load.diarized_share)
        self._requests = poisson_requests(workload, load.peak_rate_hz * self._part, effort.requests, effort.seed)
        self._least = least_cluster(costs, load)
        self._gpu_shares = {cost.stage: cost.gpu_share for cost in costs.stages if cost.device is Device.GPU}

    def run(self, target_s: float | None) -> Plan:
        idle_p95_s = self._idle_p95_s()
        if target_s is None:
            target_s = _UNHURRIED * idle_p95_s
        elif target_s < idle_p95_s:
            raise TargetOutOfReach(
                f"Of these recordings {TARGET_PERCENT:g} % take up to {idle_p95_s:.2f} s on a service that has "
                f"nothing else to do, so no number of replicas answers them within {target_s:g} s. Shorter recordings, "
                "or fewer of them with speakers, would take less."
            )
        replicas, cpus, gpus = self._sized(self._enough(target_s))
        ends = self._judge(target_s)
        cpus = _least_whole(self._cpus(1.0), cpus, lambda number: ends(replicas, number, gpus))
        if gpus:
            gpus = _least_whole(self._gpus(self._least, 1.0), gpus, lambda number: ends(replicas, cpus, number))
        for stage in sorted(replicas, key=lambda stage: -replicas[stage]):
            fewest = self._least[stage]
            if fewest < replicas[stage]:
                trimmed = {**replicas}

                def fits(number: int, stage: Stage = stage, trimmed: dict[Stage, int] = trimmed) -> bool:
                    return ends({**trimmed, stage: number}, cpus, gpus)

                replicas[stage] = _least_whole(fewest, replicas[stage], fits)
        return Plan(
            load=self._load,
            replicas=replicas,
            cpus=cpus,
            gpus=max(gpus, self._gpus(replicas, 0.0)),
            target_s=target_s,
            idle_p95_s=idle_p95_s,
            outcome=self._simulated(replicas, cpus, gpus),
            simulated_part=self._part,
        )

    def _idle_p95_s(self) -> float:
        """Each request by itself: so far apart that nobody meets anybody."""
        apart_s = 2 * _run_s(self._costs, self._load.mix)
        sample = self._requests[: max(1000, len(self._requests) // 4)]
        alone = [replace(request, arrival_s=number * apart_s) for number, request in enumerate(sample)]
        return simulate(self._costs, Cluster(), alone, self._seed).percentile_s(TARGET_PERCENT)

    def _judge(self, target_s: float) -> Callable[[Mapping[Stage, int], int, int], bool]:
        def in_time(replicas: Mapping[Stage, int], cpus: int, gpus: int) -> bool:
            outcome = self._simulated(replicas, cpus, gpus)
            return outcome.refused_share <= _REFUSED and outcome.percentile_s(TARGET_PERCENT) <= target_s

        return in_time

    def _enough(self, target_s: float) -> float:
        """By how much everything has to exceed the least."""
        in_time = self._judge(target_s)
        low, high = 1.0, 1.0
        while not in_time(*self._sized(high)):
            low, high = high, high * 2
            if high > _MOST:
                raise TargetOutOfReach(
                    f"Even {_MOST:g} times what the load keeps busy does not answer {TARGET_PERCENT:g} % of the "
                    f"requests within {target_s:g} s: they would have to wait for nothing at all. Allow a little more."
                )
        while high / low > _CLOSE:
            middle = math.sqrt(low * high)
            low, high = (low, middle) if in_time(*self._sized(middle)) else (middle, high)
        return high

    def _sized(self, factor: float) -> tuple[dict[Stage, int], int, int]:
        replicas = {stage: math.ceil(number * factor) for stage, number in self._least.items()}
        return replicas, self._cpus(factor), self._gpus(replicas, factor)

    def _cpus(self, factor: float) -> int:
        return max(1, math.ceil(factor * _demand(self._costs, self._load, Device.CPU) / HIGHEST_UTILISATION))

    def _gpus(self, replicas: Mapping[Stage, int], factor: float) -> int:
        """As many as are busy, and as many as the replicas' shares fit on."""
        busy = math.ceil(factor * _demand(self._costs, self._load, Device.GPU) / HIGHEST_UTILISATION)
        reserved = sum(replicas[stage] * share for stage, share in self._gpu_shares.items())
        return max(busy, math.ceil(reserved - 1e-9))

    def _simulated(self, replicas: Mapping[Stage, int], cpus: int, gpus: int) -> Outcome:
        # Shares of a GPU are reserved whether or not it would be fast enough for more.
        gpus = max(gpus, self._gpus(replicas, 0.0))
        cluster = Cluster(dict(replicas), max(cpus - self._costs.idle_cpu_cores, 0.1), gpus or math.inf)
        return simulate(self._costs, cluster.slice(self._part), self._requests, self._seed)


def _least_whole(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """The least number that fits, given that high does, and that what fits still does with more; within 5 %."""
    while low < high:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle + 1
        if high <= low * _CLOSE:
            break
    return high
