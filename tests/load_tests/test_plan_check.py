from __future__ import annotations

import os
import threading

import pytest

from load_tests.plan_check import Compared, Neighbours, compared_table, running_threads

pytestmark = pytest.mark.unit


def test_deviations_are_those_of_what_was_foretold() -> None:
    run = Compared("2 requests/s", 1.5, (0.5, 1.2), (0.4, 1.5), 30.0, 24.0, failed=0)
    table = compared_table([run])
    (row,) = table.rows
    assert row[:4] == ("2 requests/s", 1.5, 0.5, 0.4)
    assert [row[column] for column in (4, 7, 10)] == pytest.approx([25.0, -20.0, 25.0])
    assert row[-1] == 0


def test_nobody_beside_is_no_competition() -> None:
    assert Neighbours().threads == 0.0
    assert Neighbours([1, 2]).threads == 1.5


def test_threads_that_run_are_counted_and_those_that_wait_are_not() -> None:
    ended = threading.Event()
    waiting = [threading.Thread(target=ended.wait) for _ in range(5)]
    for thread in waiting:
        thread.start()
    # Only this one runs; others of the test program may.
    assert 1 <= running_threads(os.getpid()) < 1 + len(waiting)
    ended.set()
    for thread in waiting:
        thread.join()


def test_a_process_that_ended_has_none() -> None:
    assert running_threads(2**22 + 1) == 0
