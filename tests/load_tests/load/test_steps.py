from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.load.steps import Steps

pytestmark = pytest.mark.unit


def test_a_step_closes_drains_and_gives_way_to_the_next() -> None:
    steps = Steps((1.0, 8.0), 10.0)
    assert steps.current is None
    assert not steps.is_open(0.0)
    assert steps.tick(1.0, 0) == 1.0
    assert steps.is_open(10.9)
    assert not steps.is_open(11.0)
    assert steps.tick(10.5, 0) == 1.0
    assert steps.tick(11.5, 3) == 1.0
    assert steps.tick(14.0, 0) == 1.0
    assert steps.current is None
    assert not steps.is_open(14.0)
    assert steps.tick(15.0, 0) == 8.0
    first, second = steps.begun
    assert (first.opened_s, first.closes_s, first.drained_s) == (1.0, 11.0, 14.0)
    assert (second.opened_s, second.closes_s, second.drained_s) == (15.0, 25.0, None)
    assert steps.tick(25.0, 0) == 8.0
    assert steps.tick(26.0, 0) is None
    assert steps.current is None
    assert steps.tick(30.0, 0) is None
    assert second.drained_s == 25.0


@given(
    st.lists(st.sampled_from([1.0, 2.0, 4.0]), min_size=1, max_size=5),
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 2)), max_size=60),
)
def test_steps_never_overlap_and_never_end_with_calls_under_way(
    levels: list[float], ticks: list[tuple[float, int]]
) -> None:
    steps, now_s = Steps(levels, 2.0), 0.0
    for passed_s, in_flight in ticks:
        now_s += passed_s
        draining = steps.current
        steps.tick(now_s, in_flight)
        if draining is not None and in_flight:
            assert steps.current is draining
    for first, second in zip(steps.begun, steps.begun[1:], strict=False):
        assert first.drained_s is not None
        assert first.closes_s <= first.drained_s <= second.opened_s
    assert [step.level for step in steps.begun] == levels[: len(steps.begun)]
