from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from serve_app.planning.arrivals import LengthMix, Request, Workload, poisson_requests
from serve_app.planning.costs import Stage, StageCost
from serve_app.planning.simulation import Cluster, Outcome, simulate
from tests.serve_app.planning.some_costs import BATCHES, COSTS, free_but

pytestmark = pytest.mark.unit

MIX = LengthMix.of([(10, 60), (60, 40)])
WORKLOAD = Workload(MIX, 1.0, 15.0, diarized_share=0.2)
_COUNT = 12_000


def _markov(seed: int = 1, *, constant: bool = False, count: int = _COUNT) -> list[Request]:
    """One a second, with exponential lengths of 1 s in the mean, or of 1 s all."""
    draws = np.random.default_rng(seed)
    arrivals_s = np.cumsum(draws.exponential(1.0, count))
    lengths_s = np.ones(count) if constant else draws.exponential(1.0, count)
    return [
        Request(float(arrival_s), 0, float(length_s), (float(length_s),), is_diarized=False)
        for arrival_s, length_s in zip(arrivals_s, lengths_s, strict=True)
    ]


def _decoder(requests: list[Request], work_s: float, workers: int, cluster: Cluster | None = None) -> Outcome:
    costs = free_but(StageCost(Stage.DECODER, workers=workers, audio_s=work_s))
    return simulate(costs, cluster or Cluster(), requests)


def _erlang_c(servers: int, offered: float) -> float:
    """The part of arrivals that has to wait (Kleinrock 1975, 3.40)."""
    terms = [offered**number / math.factorial(number) for number in range(servers)]
    last = offered**servers / math.factorial(servers) / (1 - offered / servers)
    return last / (sum(terms) + last)


@pytest.mark.parametrize("busy", [0.3, 0.6])
def test_one_worker_and_exponential_work_wait_as_m_m_1_does(busy: float) -> None:
    found = _decoder(_markov(), busy, 1).stages[Stage.DECODER]
    assert found.mean_wait_s == pytest.approx(busy * busy / (1 - busy), rel=0.08)
    assert found.utilisation == pytest.approx(busy, rel=0.03)


def test_constant_work_waits_half_as_long_as_m_d_1_does() -> None:
    found = _decoder(_markov(constant=True), 0.6, 1).stages[Stage.DECODER]
    assert found.mean_wait_s == pytest.approx(0.6 * 0.6 / 0.4 / 2, rel=0.08)


@pytest.mark.parametrize("servers", [2, 4, 8])
def test_several_workers_of_a_replica_wait_as_m_m_c_does(servers: int) -> None:
    work_s = 0.7 * servers
    found = _decoder(_markov(), work_s, servers).stages[Stage.DECODER]
    expected_s = _erlang_c(servers, work_s) * work_s / (servers * (1 - 0.7))
    assert found.mean_wait_s == pytest.approx(expected_s, rel=0.1)


def test_a_shared_processor_takes_as_long_as_m_g_1_with_processor_sharing() -> None:
    found = _decoder(_markov(constant=True), 0.6, 10_000, Cluster(cpus=1))
    assert float(found.latencies_s.mean()) == pytest.approx(0.6 / (1 - 0.6), rel=0.08)


def test_routing_among_replicas_waits_longer_than_one_queue_and_less_than_queues_apart() -> None:
    one_queue = _decoder(_markov(), 2.8, 4).stages[Stage.DECODER].mean_wait_s
    routed = _decoder(_markov(), 2.8, 1, Cluster({Stage.DECODER: 4})).stages[Stage.DECODER].mean_wait_s
    apart = 0.7 * 2.8 / 0.3
    assert one_queue < routed < 0.5 * apart


def test_a_request_that_meets_nobody_takes_the_sum_of_its_way() -> None:
    alone = Request(5.0, 0, 10.0, (10.0,), is_diarized=False)
    heard_s = 0.005 + 0.02 + (0.004 + 0.004 + 0.002) + (0.004 + 0.02) + (0.005 + 0.01 + 0.1) + 0.003
    assert simulate(COSTS, Cluster(), [alone]).percentile_s(50) == pytest.approx(heard_s)


def test_speakers_are_found_beside_the_words() -> None:
    alone = Request(5.0, 0, 10.0, (10.0,), is_diarized=True)
    heard_s = 0.005 + 0.02 + (0.004 + 0.004 + 0.002) + (0.004 + 0.02) + (0.005 + 0.3) + 0.003
    assert simulate(COSTS, Cluster(), [alone]).percentile_s(50) == pytest.approx(heard_s)


def test_a_long_recording_goes_to_two_replicas_in_groups() -> None:
    costs = free_but(StageCost(Stage.RECOGNIZER, batches=replace(BATCHES, batch_s=0.0, group_s=30.0)))
    long = Request(1.0, 0, 60.0, (15.0,) * 4, is_diarized=False)
    assert simulate(costs, Cluster(), [long]).percentile_s(50) == pytest.approx(0.6)
    both = simulate(costs, Cluster({Stage.RECOGNIZER: 2}), [long])
    assert both.percentile_s(50) == pytest.approx(0.3)


def test_a_full_ingress_refuses() -> None:
    at_once = [Request(1.0, 0, 10.0, (10.0,), is_diarized=False) for _ in range(100)]
    measured = simulate(COSTS, Cluster(), at_once).latencies_s
    assert np.isinf(measured).sum() == 100 - 64
    assert simulate(COSTS, Cluster({Stage.INGRESS: 2}), at_once).refused_share == 0
    assert simulate(COSTS, Cluster(), at_once).percentile_s(95) == math.inf


def test_the_same_seed_gives_the_same_and_another_does_not() -> None:
    def latencies(seed: int) -> list[float]:
        requests = poisson_requests(WORKLOAD, 3.0, 500, seed)
        return list(simulate(COSTS, Cluster({Stage.RECOGNIZER: 3}, cpus=4), requests, seed).latencies_s)

    assert latencies(3) == latencies(3)
    assert latencies(3) != latencies(4)


@pytest.mark.parametrize("stage", [Stage.DECODER, Stage.RECOGNIZER, Stage.DIARIZER])
def test_more_replicas_are_never_worse(stage: Stage) -> None:
    requests = poisson_requests(WORKLOAD, 3.0, 2000, 0)
    p95_s = [
        simulate(COSTS, Cluster({Stage.DIARIZER: 2, stage: number}), requests).percentile_s(95)
        for number in (1, 2, 3, 4, 6)
    ]
    # Routing is drawn at random, so that a little noise is left.
    assert all(more <= 1.02 * fewer for fewer, more in itertools.pairwise(p95_s))


def test_more_processors_are_never_worse() -> None:
    requests = poisson_requests(WORKLOAD, 2.0, 2000, 0)
    p95_s = [simulate(COSTS, Cluster(cpus=cpus), requests).percentile_s(95) for cpus in (2, 3, 4, 8)]
    assert p95_s == sorted(p95_s, reverse=True)


@pytest.mark.parametrize("part", [0.5, 0.17])
def test_a_slice_is_as_busy_and_waits_no_less(part: float) -> None:
    cluster = Cluster({Stage.INGRESS: 2, Stage.RECOGNIZER: 10, Stage.SPEECH_GATE: 4, Stage.DIARIZER: 14}, cpus=32)
    whole = simulate(COSTS, cluster, poisson_requests(WORKLOAD, 40.0, 6000, 0))
    sliced = simulate(COSTS, cluster.slice(part), poisson_requests(WORKLOAD, 40.0 * part, 6000, 0))
    assert sliced.cpu_utilisation == pytest.approx(whole.cpu_utilisation, rel=0.1)
    assert sliced.stages[Stage.INGRESS].utilisation == pytest.approx(whole.stages[Stage.INGRESS].utilisation, rel=0.1)
    assert sliced.percentile_s(95) >= 0.97 * whole.percentile_s(95)
    assert sliced.percentile_s(50) >= 0.97 * whole.percentile_s(50)


def test_all_at_the_first_moment() -> None:
    at_once = [Request(0.0, 0, 10.0, (10.0,), is_diarized=False) for _ in range(20)]
    found = simulate(COSTS, Cluster(cpus=2), at_once)
    assert 0.7 < found.cpu_utilisation <= 1.0
    # Batches of eight take 0.19 s of each request at most, and 0.16 s at least; one processor ends earlier.
    assert 20 * 0.16 / 2 < found.percentile_s(100) < 1.3 * 20 * 0.19 / 2


def test_no_requests_are_no_simulation() -> None:
    with pytest.raises(ValueError, match="no requests"):
        simulate(COSTS, Cluster(), [])


def test_hops_make_everybody_later_and_nothing_busier() -> None:
    requests = [Request(0.5 * number, 0, 10.0, (10.0,), is_diarized=False) for number in range(20)]
    without, found = (
        simulate(COSTS, Cluster(cpus=1), requests),
        simulate(replace(COSTS, hops_s=0.25), Cluster(cpus=1), requests),
    )
    assert found.latencies_s == pytest.approx(without.latencies_s + 0.25)
    assert found.cpu_utilisation == without.cpu_utilisation


def test_on_a_machine_of_half_the_speed_everything_takes_twice_as_long() -> None:
    alone = [Request(100.0 * number, 0, 10.0, (10.0,), is_diarized=True) for number in range(1, 12)]
    found, slow = simulate(COSTS, Cluster(cpus=2), alone), simulate(COSTS.slower(2.0), Cluster(cpus=2), alone)
    assert slow.latencies_s == pytest.approx(2 * found.latencies_s)
    assert slow.cpu_s == pytest.approx(2 * found.cpu_s)


def test_processor_seconds_are_those_of_all_requests() -> None:
    requests = [Request(100.0 * number, 0, 1.0, (1.0,), is_diarized=False) for number in range(1, 21)]
    assert _decoder(requests, 0.5, 1, Cluster(cpus=1)).cpu_s == pytest.approx(20 * 0.5)
