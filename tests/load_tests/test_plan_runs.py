from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from load_tests.plan_runs import Requests, Run, busy_s, run_in_turns
from serve_app.planning.arrivals import Request
from serve_app.planning.costs import costs_of_profile
from serve_app.planning.simulation import Cluster, simulate

pytestmark = pytest.mark.unit

COSTS = costs_of_profile("embedded")
REFERENCE = (Request(0.0, 0, 6.0, (6.0,), is_diarized=False),)
SHORT = (Request(0.0, 0, 1.0, (1.0,), is_diarized=False),)
LONG = (Request(0.0, 0, 20.0, (20.0,), is_diarized=False),)


def test_each_load_is_between_two_references_and_is_judged_by_both() -> None:
    expected_s = simulate(COSTS, Cluster(), REFERENCE).cpu_s
    slownesses = iter([1.0, 1.5, 2.0, 1.0, 1.0, 3.0])
    sent: list[Requests] = []

    def send(requests: Requests) -> Run:
        sent.append(requests)
        cpu_s = expected_s * next(slownesses) if requests is REFERENCE else 0.1
        return Run(np.array([1.0]), 1.0, cpu_s, free_cores=1.7, others_cores=0.0)

    runs = run_in_turns(send, COSTS, {"short": SHORT, "long": LONG}, REFERENCE, turns=2)
    assert sent == 2 * [REFERENCE, SHORT, REFERENCE, LONG, REFERENCE]
    assert [run.slowness for run in runs["short"]] == pytest.approx([1.25, 1.0])
    assert [run.slowness for run in runs["long"]] == pytest.approx([1.75, 2.0])
    assert {run.cpu_s for run in runs["short"] + runs["long"]} == {0.1}


def test_waiting_for_a_disk_is_not_busy_and_what_the_host_took_is() -> None:
    times = SimpleNamespace(user=1.0, nice=2.0, system=4.0, idle=100.0, iowait=50.0, irq=0.5, softirq=0.25, steal=8.0)
    assert busy_s(times) == 15.75


def test_a_system_that_does_not_tell_all_is_busy_as_far_as_it_tells() -> None:
    assert busy_s(SimpleNamespace(user=1.0, nice=2.0, system=4.0, idle=100.0)) == 7.0
