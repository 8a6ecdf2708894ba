from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from load_tests.plan_check import Compared, Figures, compared, compared_table
from load_tests.plan_runs import Run
from serve_app.planning.arrivals import Request
from serve_app.planning.costs import costs_of_profile
from serve_app.planning.simulation import Cluster, simulate

pytestmark = pytest.mark.unit

COSTS = costs_of_profile("embedded")
CORES = 1.5


def requests_every(interval_s: float, count: int) -> tuple[Request, ...]:
    return tuple(Request(number * interval_s, 0, 6.0, (6.0,), is_diarized=False) for number in range(count))


def run_of(requests: Sequence[Request], slowness: float) -> Run:
    """What a service that is just as the simulation says would do on a machine so many times as slow."""
    outcome = simulate(COSTS.slower(slowness), Cluster(cpus=CORES), requests)
    warm_up = np.full(len(requests) - len(outcome.latencies_s), 99.0)
    latencies_s = np.concatenate([warm_up, outcome.latencies_s])
    ends_s = np.array([request.arrival_s for request in requests])[len(warm_up) :] + outcome.latencies_s
    return Run(latencies_s, ends_s.max(), outcome.cpu_s / len(requests), CORES, others_cores=0.1, slowness=slowness)


def test_a_service_that_is_as_the_simulation_says_is_foretold_to_the_last_digit() -> None:
    requests = requests_every(0.4, 40)
    found = compared("a load", COSTS, requests, [run_of(requests, 1.0), run_of(requests, 1.0)])
    for foretold in (found.foretold, found.of_the_minute):
        assert foretold.cpu_s == pytest.approx(found.measured.cpu_s)
        assert foretold.latencies_s == found.measured.latencies_s
        assert foretold.speed == pytest.approx(found.measured.speed)
    assert found.failed == 0
    assert found.others_cores == pytest.approx(0.1)


def test_a_machine_that_changes_its_speed_is_foretold_by_the_reference_alone() -> None:
    requests = requests_every(0.4, 40)
    found = compared("a load", COSTS, requests, [run_of(requests, 1.2), run_of(requests, 1.6)])
    assert found.of_the_minute.latencies_s == found.measured.latencies_s
    assert found.of_the_minute.cpu_s == pytest.approx(found.measured.cpu_s)
    assert found.measured.cpu_s == pytest.approx(1.4 * found.foretold.cpu_s)
    assert found.foretold.latencies_s[0] < found.measured.latencies_s[0]


def test_a_request_that_failed_is_counted_and_is_no_fast_one() -> None:
    requests = requests_every(0.4, 40)
    run = run_of(requests, 1.0)
    run.latencies_s[-3:] = np.inf
    found = compared("a load", COSTS, requests, [run])
    assert found.failed == 3
    assert found.measured.latencies_s[1] == np.inf


def test_deviations_are_those_of_what_was_foretold() -> None:
    run = Compared(
        "2 requests/s",
        1.5,
        foretold=Figures(0.2, (0.5, 1.2), 30.0),
        of_the_minute=Figures(0.25, (0.6, 1.5), 24.0),
        measured=Figures(0.25, (0.4, 1.5), 24.0),
        failed=0,
    )
    by_the_file, of_the_minute = compared_table([run]).rows
    assert by_the_file[:4] == ("2 requests/s", 1.5, 200.0, 250.0)
    assert [by_the_file[column] for column in (4, 7, 10, 13)] == pytest.approx([-20.0, 25.0, -20.0, 25.0])
    assert by_the_file[-1] == 0
    assert [of_the_minute[column] for column in (4, 7, 10, 13)] == pytest.approx([0.0, 50.0, 0.0, 0.0])
