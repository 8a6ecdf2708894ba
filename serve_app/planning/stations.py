"""The queues of a stage: replicas, each with workers, behind Serve's router."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from serve_app.planning.costs import StageCost
from serve_app.planning.processors import Processors

Done = Callable[[], None]


class Clock(Protocol):
    """The simulation's time."""

    now_s: float


@dataclass(slots=True)
class StationRecord:
    """What a stage did. ``waits_s`` are those for a worker, of each call, or of each window that is batched."""

    waits_s: list[float] = field(default_factory=list)
    worker_s: float = 0.0
    batches: int = 0
    windows: int = 0


class _Replicas:
    """So many replicas, not always a whole number: see slowed().

    Serve's router asks two replicas at random and takes the one with less to do (Mitzenmacher 2001).
    """

    def __init__(self, replicas: float, seed: int) -> None:
        self.number, self.speed = slowed(replicas)
        self.loads = [0.0] * self.number
        self._random = random.Random(seed)  # noqa: S311  # a simulation

    def choose(self) -> int:
        if self.number == 1:
            return 0
        first = int(self._random.random() * self.number)
        second = int(self._random.random() * (self.number - 1))
        second += second >= first
        return first if self.loads[first] <= self.loads[second] else second


def slowed(replicas: float) -> tuple[int, float]:
    """A part of a cluster has parts of replicas: the next whole number of them, slower by as much.

    Few slow servers make callers wait no less than many fast ones of the same utilisation, so this errs to the safe
    side.
    """
    number = max(1, math.ceil(replicas - 1e-9))
    return number, min(1.0, replicas / number)


class Station:
    """Calls in order of arrival at each replica.

    Args:
        cost: of the stage.
        replicas: of it.
        device: what its workers compute on.
        clock: the time.
        seed: of the router.
    """

    def __init__(self, cost: StageCost, replicas: float, device: Processors, clock: Clock, seed: int) -> None:
        self._cost = cost
        self._device = device
        self._clock = clock
        self._replicas = _Replicas(replicas, seed)
        self._waiting: list[deque[tuple[float, float, Done]]] = [deque() for _ in range(self._replicas.number)]
        self._free = [cost.workers] * self._replicas.number
        self.record = StationRecord()

    def call(self, work_s: float, done: Done) -> None:
        """Queue at a replica, work, then call done."""
        replica = self._replicas.choose()
        self._replicas.loads[replica] += 1
        if self._free[replica]:
            self._start(replica, self._clock.now_s, work_s, done)
        else:
            self._waiting[replica].append((self._clock.now_s, work_s, done))

    def _start(self, replica: int, since_s: float, work_s: float, done: Done) -> None:
        self._free[replica] -= 1
        self.record.waits_s.append(self._clock.now_s - since_s)
        self.record.worker_s += work_s
        speed = self._replicas.speed

        def end() -> None:
            self._free[replica] += 1
            self._replicas.loads[replica] -= 1
            if self._waiting[replica]:
                self._start(replica, *self._waiting[replica].popleft())
            done()

        self._device.start(work_s / speed, end, self._cost.threads * speed)


@dataclass(slots=True)
class _Flow:
    """The windows of one call that wait, as in deployments.recognition.batcher."""

    order: int
    start_tag: float
    windows_s: deque[float]
    since_s: float
    unfinished: int
    done: Done

    @property
    def rank(self) -> tuple[float, int]:
        return (self.start_tag, self.order)


class FairQueue:
    """Forms batches of the windows of one replica as deployments.recognition.batcher does for files.

    A test holds the two together; this one looks at each flow in logarithmic time.
    """

    def __init__(self, max_items: int, max_padded_s: float, max_stretch: float) -> None:
        self._max_items = max_items
        self._max_padded_s = max_padded_s
        self._max_stretch = max_stretch
        self._flows: list[tuple[tuple[float, int], _Flow]] = []
        self._orders = itertools.count()
        self._virtual_time = 0.0
        self._last_share_s = 0.0
        self.waiting = 0

    def add(self, windows_s: Sequence[float], since_s: float, done: Done) -> None:
        """The windows of one call; done is called by whoever finishes the last."""
        flow = _Flow(next(self._orders), self._virtual_time, deque(windows_s), since_s, len(windows_s), done)
        self.waiting += len(windows_s)
        heapq.heappush(self._flows, (flow.rank, flow))

    def next_batch(self, free_slots: int) -> list[tuple[float, _Flow]]:
        """The fairest next window, and others of similar length in fair order."""
        most = min(self._max_items, math.ceil(self.waiting / free_slots))
        self._virtual_time += self._last_share_s
        flows = len(self._flows)
        batch: list[tuple[float, _Flow]] = []
        longest_s, shortest_s = 0.0, math.inf
        shut: list[tuple[tuple[float, int], _Flow]] = []
        while len(batch) < most and self._flows:
            entry = heapq.heappop(self._flows)
            flow = entry[1]
            window_s = flow.windows_s[0]
            longer_s, shorter_s = max(longest_s, window_s), min(shortest_s, window_s)
            fits = longer_s * (len(batch) + 1) <= self._max_padded_s and longer_s <= self._max_stretch * shorter_s
            if batch and not fits:
                shut.append(entry)
                continue
            longest_s, shortest_s = longer_s, shorter_s
            batch.append((window_s, flow))
            flow.windows_s.popleft()
            flow.start_tag += window_s
            if flow.windows_s:
                heapq.heappush(self._flows, (flow.rank, flow))
        for entry in shut:
            heapq.heappush(self._flows, entry)
        self.waiting -= len(batch)
        self._last_share_s = sum(window_s for window_s, _ in batch) / max(1, flows)
        return batch


class BatchStation:
    """Windows of all calls in batches. Arguments as of Station; the cost has batches."""

    def __init__(self, cost: StageCost, replicas: float, device: Processors, clock: Clock, seed: int) -> None:
        assert cost.batches is not None  # noqa: S101  # Costs has made sure
        self._cost = cost
        self._batches = cost.batches
        self._device = device
        self._clock = clock
        self._replicas = _Replicas(replicas, seed)
        limits = (cost.batches.max_items, cost.batches.max_padded_s, cost.batches.max_stretch)
        self._queues = [FairQueue(*limits) for _ in range(self._replicas.number)]
        self._free = [cost.workers] * self._replicas.number
        self.record = StationRecord()

    def call(self, windows_s: Sequence[float], done: Done) -> None:
        """Queue at a replica; done is called when the last window is recognised."""
        replica = self._replicas.choose()
        self._replicas.loads[replica] += 1

        def finish() -> None:
            self._replicas.loads[replica] -= 1
            done()

        self._queues[replica].add(windows_s, self._clock.now_s, finish)
        self._dispatch(replica)

    def _dispatch(self, replica: int) -> None:
        queue = self._queues[replica]
        while queue.waiting and self._free[replica]:
            self._start(replica, queue.next_batch(self._free[replica]))

    def _start(self, replica: int, batch: list[tuple[float, _Flow]]) -> None:
        self._free[replica] -= 1
        work_s = self._batches.work_s([window_s for window_s, _ in batch])
        record = self.record
        record.worker_s += work_s
        record.batches += 1
        record.windows += len(batch)
        record.waits_s.extend(self._clock.now_s - flow.since_s for _, flow in batch)
        speed = self._replicas.speed

        def end() -> None:
            self._free[replica] += 1
            self._dispatch(replica)
            for _, flow in batch:
                flow.unfinished -= 1
                if not flow.unfinished:
                    flow.done()

        self._device.start(work_s / speed, end, self._cost.threads * speed)
