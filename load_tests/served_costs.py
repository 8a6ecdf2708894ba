"""What the processes of a running service take of a request, at a load like those that a plan foretells.

Requests come as callers send them, at random, and not one as soon as another is answered, which costs less, presumably
since a processor that has just been idle is slower.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from deployments.contracts import Samples
from load_tests.paced import send_paced, wav_pieces
from load_tests.processes import find_service
from load_tests.service import ListenFailed, Service
from serve_app.planning.costs import Stage

SHORT_S, LONG_S = 5.0, 60.0
LOAD_SHARE = 0.4
TURNS = 3
_CONCURRENT = 4
_IDLE_S = 8.0
_PAUSE_S = 0.5
_SEED = 5

Spent = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ServedCosts:
    """Processor seconds of each process for a request of each length, without those of the idle service.

    ``alone_s`` is the latency of a short request that meets no other.
    """

    by_process: Mapping[str, tuple[float, float]]
    idle_cores: float
    alone_s: float

    def of(self, *names: str) -> tuple[float, float]:
        """Of processes together, (short, long). What is less than an idle service's is noise, and counts as nothing."""
        found = [self.by_process.get(name, (0.0, 0.0)) for name in names]
        return max(0.0, sum(short for short, _ in found)), max(0.0, sum(long for _, long in found))


@dataclass(frozen=True, slots=True)
class Load:
    """Recordings of one length, and a rate at which the service is busy for LOAD_SHARE of the time."""

    files: Sequence[bytes]
    rate_hz: float
    diarize: bool = False


def measure_service(service: Service, speech: Samples, requests: int) -> ServedCosts:
    """In turns: idle, short requests, long ones; then both with speakers. Medians of the turns.

    Args:
        service: that does nothing else.
        speech: what is sent, in pieces.
        requests: short ones in each turn; of others a fifth.

    Raises:
        ServiceNotLocal: its processes are not to be seen from here.
        ListenFailed: a request failed.
    """
    cpu_s = find_service(service.url).cpu_s
    few = max(4, requests // 5)
    lengths = ((SHORT_S, requests), (LONG_S, few))
    loads = [_load(service, speech, duration_s, count) for duration_s, count in lengths]
    with_speakers = [_load(service, speech, duration_s, few, diarize=True) for duration_s in (SHORT_S, LONG_S)]
    idles, turns = [], []
    for _ in range(TURNS):
        idles.append(_idle(cpu_s))
        turns.append([spent_s(service, cpu_s, idles[-1], load) for load in loads])
    by_process = {name: _medians_s(turns, name) for name in idles[0]}
    speakers = [spent_s(service, cpu_s, idles[-1], load) for load in with_speakers]
    by_process[Stage.DIARIZER] = _medians_s([speakers], Stage.DIARIZER)
    alone_s = statistics.median(_latencies_s(service, loads[0].files[: 2 * few]))
    return ServedCosts(by_process, statistics.median(sum(idle.values()) for idle in idles), alone_s)


def _load(service: Service, speech: Samples, duration_s: float, count: int, *, diarize: bool = False) -> Load:
    """Finds the rate by sending all of it as fast as it is answered, which warms the service up, too."""
    files = wav_pieces(speech, [duration_s] * count)
    begun_s = time.perf_counter()
    with ThreadPoolExecutor(_CONCURRENT) as pool:
        list(pool.map(lambda data: service.listen(data, diarize=diarize), files))
    return Load(files, LOAD_SHARE * count / (time.perf_counter() - begun_s), diarize)


def _idle(cpu_s: Callable[[], Spent]) -> Spent:
    """Cores that each process takes while nobody asks anything."""
    before_s, begun_s = cpu_s(), time.perf_counter()
    time.sleep(_IDLE_S)
    wall_s = time.perf_counter() - begun_s
    return {name: max(0.0, total_s - before_s.get(name, 0.0)) / wall_s for name, total_s in cpu_s().items()}


def spent_s(service: Service, cpu_s: Callable[[], Spent], idle: Spent, load: Load) -> Spent:
    """Of each process for one request, without what it takes when it is idle.

    Raises:
        ListenFailed: a request failed.
    """
    count = len(load.files)
    arrivals_s = np.cumsum(np.random.default_rng(_SEED).exponential(1 / load.rate_hz, count))
    before_s, begun_s = cpu_s(), time.perf_counter()
    latencies_s = send_paced(service, load.files, arrivals_s.tolist(), diarize=load.diarize)
    wall_s, after_s = time.perf_counter() - begun_s, cpu_s()
    if failed := int(np.isinf(latencies_s).sum()):
        raise ListenFailed(f"{failed} of {count} requests failed")
    return {
        name: (total_s - before_s.get(name, 0.0) - idle.get(name, 0.0) * wall_s) / count
        for name, total_s in after_s.items()
    }


def _medians_s(turns: Sequence[Sequence[Spent]], name: str) -> tuple[float, float]:
    short_s, long_s = (
        statistics.median(each.get(name, 0.0) for each in of_length) for of_length in zip(*turns, strict=True)
    )
    return short_s, long_s


def _latencies_s(service: Service, files: Sequence[bytes]) -> Iterator[float]:
    for data in files:
        time.sleep(_PAUSE_S)
        begun_s = time.perf_counter()
        service.listen(data)
        yield time.perf_counter() - begun_s
