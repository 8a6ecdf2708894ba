from __future__ import annotations

from types import SimpleNamespace

import pytest

from load_tests.plan_check import Compared, busy_s, compared_table

pytestmark = pytest.mark.unit


def test_deviations_are_those_of_what_was_foretold() -> None:
    run = Compared("2 requests/s", 1.5, 0.2, 0.25, (0.5, 1.2), (0.4, 1.5), 30.0, 24.0, failed=0)
    table = compared_table([run])
    (row,) = table.rows
    assert row[:4] == ("2 requests/s", 1.5, 200.0, 250.0)
    assert [row[column] for column in (4, 7, 10, 13)] == pytest.approx([-20.0, 25.0, -20.0, 25.0])
    assert row[-1] == 0


def test_waiting_for_a_disk_is_not_busy_and_what_the_host_took_is() -> None:
    times = SimpleNamespace(user=1.0, nice=2.0, system=4.0, idle=100.0, iowait=50.0, irq=0.5, softirq=0.25, steal=8.0)
    assert busy_s(times) == 15.75


def test_a_system_that_does_not_tell_all_is_busy_as_far_as_it_tells() -> None:
    assert busy_s(SimpleNamespace(user=1.0, nice=2.0, system=4.0, idle=100.0)) == 7.0
