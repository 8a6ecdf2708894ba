"""Loads that a plan foretells, sent to a service on this machine, and how fast the machine was meanwhile."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from deployments.contracts import Samples
from load_tests.paced import send_paced, wav_pieces
from load_tests.processes import ProcessGroup
from load_tests.service import Service
from serve_app.planning.arrivals import Request
from serve_app.planning.costs import Costs
from serve_app.planning.simulation import Cluster, simulate

_IDLE_S = 8.0
_BUSY = ("user", "nice", "system", "irq", "softirq", "steal")

Requests = Sequence[Request]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One load, sent once.

    Attributes:
        latencies_s: shape [n], of the requests in order; infinite for one that failed.
        wall_s: from the first request to the last answer.
        cpu_s: processor seconds of a request, without those of the idle service.
        free_cores: processors that neither the idle service nor other programs took.
        others_cores: what programs took that are not the service, the sender among them.
        slowness: processor time of the reference right before and after, over what the costs say of it.
    """

    latencies_s: npt.NDArray[np.float64]
    wall_s: float
    cpu_s: float
    free_cores: float
    others_cores: float
    slowness: float = 1.0


class Bench:
    """Sends to one service, which does nothing else."""

    def __init__(self, service: Service, group: ProcessGroup, speech: Samples) -> None:
        self._service = service
        self._group = group
        self._speech = speech

    def send(self, requests: Requests) -> Run:
        """All of them, when they are due."""
        files = wav_pieces(self._speech, [request.duration_s for request in requests])
        idle_cores = self._idle_cores()
        before_s, service_before_s = busy_s(psutil.cpu_times()), self._cpu_s()
        begun_s = time.perf_counter()
        latencies_s = send_paced(self._service, files, [request.arrival_s for request in requests])
        wall_s = time.perf_counter() - begun_s
        all_s, service_s = busy_s(psutil.cpu_times()) - before_s, self._cpu_s() - service_before_s
        others_cores = max(0.0, all_s - service_s) / wall_s
        return Run(
            latencies_s,
            wall_s,
            cpu_s=(service_s - idle_cores * wall_s) / len(requests),
            free_cores=max(len(psutil.Process().cpu_affinity()) - idle_cores - others_cores, 0.1),
            others_cores=others_cores,
        )

    def _idle_cores(self) -> float:
        before_s, begun_s = self._cpu_s(), time.perf_counter()
        time.sleep(_IDLE_S)
        return (self._cpu_s() - before_s) / (time.perf_counter() - begun_s)

    def _cpu_s(self) -> float:
        return sum(self._group.cpu_s().values())


def run_in_turns(
    send: Callable[[Requests], Run], costs: Costs, loads: Mapping[str, Requests], reference: Requests, turns: int
) -> dict[str, list[Run]]:
    """Each load once a turn, and the reference before and after each.

    Shared machines change their speed by a fifth within minutes, which says nothing of a simulation. The reference
    tells it from what the simulation gets wrong, since no figure of a load comes into what is foretold of that load.
    """
    expected_s = simulate(costs, Cluster(), reference).cpu_s / len(reference)
    runs: dict[str, list[Run]] = {name: [] for name in loads}
    for _ in range(turns):
        before = send(reference).cpu_s
        for name, requests in loads.items():
            run = send(requests)
            after = send(reference).cpu_s
            slowness = statistics.mean((before, after)) / expected_s
            runs[name].append(replace(run, slowness=slowness))
            before = after
    return runs


def busy_s(times: Any) -> float:
    """Seconds of all processors on which something ran, by psutil.cpu_times(); what a host gave to others is, too."""
    return sum(getattr(times, kind, 0.0) for kind in _BUSY)
