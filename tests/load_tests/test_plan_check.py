from __future__ import annotations

from types import SimpleNamespace

import pytest

from load_tests.plan_check import Compared, Figures, busy_s, compared_table

pytestmark = pytest.mark.unit


def test_deviations_are_those_of_what_was_foretold() -> None:
    measured = Figures(0.25, (0.4, 1.5), 24.0)
    run = Compared(
        "2 requests/s",
        1.5,
        foretold=Figures(0.2, (0.5, 1.2), 30.0),
        at_its_speed=Figures(0.25, (0.6, 1.5), 24.0),
        measured=measured,
        failed=0,
    )
    by_the_file, at_its_speed = compared_table([run]).rows
    assert by_the_file[:4] == ("2 requests/s", 1.5, 200.0, 250.0)
    assert [by_the_file[column] for column in (4, 7, 10, 13)] == pytest.approx([-20.0, 25.0, -20.0, 25.0])
    assert by_the_file[-1] == 0
    assert [at_its_speed[column] for column in (4, 7, 10, 13)] == pytest.approx([0.0, 50.0, 0.0, 0.0])


def test_waiting_for_a_disk_is_not_busy_and_what_the_host_took_is() -> None:
    times = SimpleNamespace(user=1.0, nice=2.0, system=4.0, idle=100.0, iowait=50.0, irq=0.5, softirq=0.25, steal=8.0)
    assert busy_s(times) == 15.75


def test_a_system_that_does_not_tell_all_is_busy_as_far_as_it_tells() -> None:
    assert busy_s(SimpleNamespace(user=1.0, nice=2.0, system=4.0, idle=100.0)) == 7.0
