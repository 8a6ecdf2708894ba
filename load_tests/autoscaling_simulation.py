"""Scaling in virtual time: the policies as they are, over replicas that tell late, start late and share a load.

What Serve does around a policy is done here as in Ray 2.60: a replica takes samples every fifth of look_back_period_s,
but at least every 10 s, and sends those of one look-back period to the controller every 10 s; the controller asks the
policy over and over, and starts or stops replicas. Load is a flow, without single requests.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from serve_app.autoscaling.policies import StagePolicy
from serve_app.autoscaling.readings import Readings
from serve_app.autoscaling.scaling import Scaling
from serve_app.autoscaling.watch import QUIET, Band, decide

REPORT_INTERVAL_S = 10.0
TICK_S = 2.0
_SAMPLES_IN_LOOK_BACK = 5

Load = Callable[[float], float]
"""Of the whole stage, at a time in seconds."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Of a deployment: what its ``autoscaling_config`` says, and how long a replica takes to start."""

    scaling: Scaling
    min_replicas: int = 1
    max_replicas: int = 8
    look_back_s: float = 30.0
    start_s: float = 10.0

    @property
    def sample_s(self) -> float:
        """Between two samples of a replica."""
        return min(self.look_back_s / _SAMPLES_IN_LOOK_BACK, REPORT_INTERVAL_S)

    @property
    def reaction_s(self) -> float:
        """The longest from the moment that a stage is short for good until it asks for more replicas."""
        return self.sample_s + REPORT_INTERVAL_S + self.look_back_s + self.scaling.up_after_s


def settings_of(policy: type[StagePolicy], scaling: Mapping[str, Any]) -> Settings:
    """An ``autoscaling_config`` as Settings."""
    parameters = scaling["policy"]["policy_kwargs"]
    return Settings(
        policy.scaling.model_validate(parameters),
        min_replicas=scaling["min_replicas"],
        max_replicas=scaling["max_replicas"],
        look_back_s=scaling["look_back_period_s"],
    )


@dataclass(slots=True)
class Replica:
    """One that runs, or starts; ``told`` are the samples that the controller has, newest last."""

    ready_s: float
    numbers: dict[str, float] = field(default_factory=dict)
    sampled: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    told: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    next_sample_s: float = 0.0
    next_report_s: float = 0.0


class Work(Protocol):
    """What replicas do with a load, and what they tell of it."""

    def begin(self) -> dict[str, float]:
        """The numbers of a new replica."""
        ...

    def step(self, seconds: float, load: float, replicas: list[dict[str, float]]) -> None:
        """Let a load last for so long; it is spread over the replicas, of which there is one at least."""
        ...


@dataclass(frozen=True, slots=True)
class Connecting:
    """The load is requests that are open, of which a replica holds so many at most; others are refused."""

    max_requests: float = 64.0

    def begin(self) -> dict[str, float]:
        """See Work."""
        return {"requests": 0.0, "max_requests": self.max_requests, "sessions": 0.0, "max_sessions": 100.0}

    def step(self, seconds: float, load: float, replicas: list[dict[str, float]]) -> None:  # noqa: ARG002
        """See Work."""
        for numbers in replicas:
            numbers["requests"] = min(load / len(replicas), self.max_requests)


@dataclass(frozen=True, slots=True)
class Engines:
    """The load is audio seconds a second, in calls of so many, of which a replica does ``speed`` in a second.

    New calls go to the replica with the least to do, as Serve's routers have it, and stay there. ``live`` of the load
    is live speech.
    """

    speed: float = 100.0
    slots: float = 2.0
    call_s: float = 20.0
    live: float = 0.0

    def begin(self) -> dict[str, float]:
        """See Work."""
        told = "waiting live_waiting inside busy_s live_busy_s worked_s done calls cpu_s full_worked_s full_done"
        return {"slots": self.slots} | dict.fromkeys(told.split(), 0.0)

    def step(self, seconds: float, load: float, replicas: list[dict[str, float]]) -> None:
        """See Work."""
        _pour(load * seconds, replicas)
        for numbers in replicas:
            capacity = self.speed * seconds
            done = min(numbers["waiting"], capacity)
            busy_s = done / capacity * seconds * self.slots
            numbers["waiting"] -= done
            numbers["live_waiting"] = self.live * numbers["waiting"]
            numbers["inside"] = (numbers["waiting"] + done) / self.call_s
            for name in ("busy_s", "worked_s"):
                numbers[name] += busy_s
            numbers["live_busy_s"] += self.live * busy_s
            numbers["cpu_s"] += busy_s
            numbers["done"] += done
            numbers["calls"] += done / self.call_s
            if numbers["waiting"] > 0:
                numbers["full_worked_s"] += busy_s
                numbers["full_done"] += done


def _pour(amount: float, replicas: list[dict[str, float]]) -> None:
    """Fill up those with the least to do to one level."""
    ascending = sorted(replicas, key=lambda numbers: numbers["waiting"])
    for count in range(1, len(ascending) + 1):
        lowest = ascending[:count]
        level = (amount + sum(numbers["waiting"] for numbers in lowest)) / count
        if count == len(ascending) or level <= ascending[count]["waiting"]:
            for numbers in lowest:
                numbers["waiting"] = level
            return


@dataclass(frozen=True, slots=True)
class Moment:
    """What there was at a time."""

    time_s: float
    wanted: int
    running: int
    waiting: float


@dataclass(frozen=True, slots=True)
class Course:
    """What came of a load, moment by moment."""

    moments: tuple[Moment, ...]

    @property
    def changes(self) -> tuple[tuple[float, int], ...]:
        """When the number of replicas wanted changed, and by how many."""
        pairs = itertools.pairwise(self.moments)
        return tuple(
            (after.time_s, after.wanted - before.wanted) for before, after in pairs if after.wanted != before.wanted
        )

    @property
    def turns(self) -> int:
        """How often growing became shrinking, or shrinking growing."""
        signs = [by > 0 for _, by in self.changes]
        return sum(1 for before, after in itertools.pairwise(signs) if before is not after)


def simulate(settings: Settings, work: Work, load: Load, until_s: float, replicas: int | None = None) -> Course:
    """Let a load run over a stage that has so many replicas at first, by default min_replicas."""
    return _Run(settings, work, replicas or settings.min_replicas).run(load, until_s)


class _Run:
    def __init__(self, settings: Settings, work: Work, replicas: int) -> None:
        self._settings = settings
        self._work = work
        self._wanted = replicas
        self._watch = QUIET
        self._band = Band(replicas, replicas)
        self._replicas: list[Replica] = []
        for _ in range(replicas):
            self._start(0.0)

    def run(self, load: Load, until_s: float) -> Course:
        moments = []
        for tick in range(int(until_s / TICK_S) + 1):
            now_s = tick * TICK_S
            running = [one for one in self._replicas if one.ready_s <= now_s]
            self._work.step(TICK_S, load(now_s), [one.numbers for one in running])
            is_told = [self._tell(replica, now_s) for replica in running]
            if any(is_told):
                self._band = self._settings.scaling.band(Readings(_series(running)))
            self._scale(now_s)
            waiting = sum(one.numbers.get("waiting", 0.0) for one in running)
            moments.append(Moment(now_s, self._wanted, len(running), waiting))
        return Course(tuple(moments))

    def _start(self, ready_s: float) -> None:
        # Replicas do not tell all at once.
        report_s = ready_s + len(self._replicas) * 3.7 % REPORT_INTERVAL_S
        self._replicas.append(Replica(ready_s, self._work.begin(), next_sample_s=ready_s, next_report_s=report_s))

    def _tell(self, replica: Replica, now_s: float) -> bool:
        """Whether the controller learns anything."""
        if now_s >= replica.next_sample_s:
            replica.sampled.append((now_s, dict(replica.numbers)))
            replica.next_sample_s += self._settings.sample_s
        if now_s >= replica.next_report_s:
            since_s = now_s - self._settings.look_back_s
            replica.sampled = [one for one in replica.sampled if one[0] >= since_s]
            replica.told = list(replica.sampled)
            replica.next_report_s += REPORT_INTERVAL_S
            return True
        return False

    def _scale(self, now_s: float) -> None:
        settings = self._settings
        band = self._band.within(settings.min_replicas, settings.max_replicas)
        wanted, self._watch = decide(band, self._wanted, now_s, self._watch, settings.scaling.patience)
        for _ in range(wanted - self._wanted):
            self._start(now_s + settings.start_s)
        if wanted < self._wanted:
            self._stop(self._wanted - wanted, now_s)
        self._wanted = wanted

    def _stop(self, count: int, now_s: float) -> None:
        """Those that are not ready first, as Serve does; what waits in others is done elsewhere, at worst."""
        self._replicas.sort(key=lambda one: one.ready_s)
        kept, gone = self._replicas[:-count], self._replicas[-count:]
        left = sum(one.numbers.get("waiting", 0.0) for one in gone)
        running = [one.numbers for one in kept if one.ready_s <= now_s]
        if left > 0 and running:
            _pour(left, running)
        self._replicas = kept


def _series(replicas: list[Replica]) -> Mapping[str, list[list[tuple[float, float]]]]:
    names = {name for one in replicas for _, numbers in one.told[-1:] for name in numbers}
    return {name: [[(at_s, numbers[name]) for at_s, numbers in one.told] for one in replicas] for name in names}
