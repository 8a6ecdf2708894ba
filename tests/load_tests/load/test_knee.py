from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.load.knee import GAIN_PER_DOUBLING, SLOWDOWN, LoadPoint, find_knee

pytestmark = pytest.mark.unit


def points(*throughputs: float, p95_s: float = 1.0) -> list[LoadPoint]:
    return [LoadPoint(2.0**index, throughput, p95_s) for index, throughput in enumerate(throughputs)]


def test_the_knee_is_where_throughput_stops_to_grow() -> None:
    knee = find_knee(points(10, 19, 30, 30.5, 30.2))
    assert knee is not None
    assert (knee.level, knee.throughput, knee.is_bounded) == (4.0, 30, True)
    assert "from 4 to 16" in knee.why


def test_a_bad_minute_does_not_end_the_search() -> None:
    knee = find_knee(points(10, 9, 30, 20, 20))
    assert knee is not None
    assert knee.level == 4.0


def test_throughput_that_grows_too_slowly_does_not_count_as_growth() -> None:
    # Two doublings bring 6 %: less than five for each.
    knee = find_knee(points(100, 103, 106))
    assert knee is not None
    assert knee.level == 1.0


def test_latency_ends_it() -> None:
    knee = find_knee([LoadPoint(1, 10, 0.5), LoadPoint(2, 20, 4.9), LoadPoint(4, 40, 5.1), LoadPoint(8, 80, 1.0)])
    assert knee is not None
    assert knee.level == 2
    assert "p95 is 5.10 s, over 10 times the 0.50 s at 1" in knee.why


def test_without_a_higher_level_there_is_no_bound() -> None:
    knee = find_knee(points(10, 20))
    assert knee is not None
    assert not knee.is_bounded
    assert knee.level == 2.0
    assert find_knee([]) is None


_POINTS = st.lists(
    st.builds(LoadPoint, st.integers(1, 64).map(float), st.floats(0, 1e4), st.floats(0.001, 100)), min_size=1
)


@given(_POINTS)
def test_the_knee_was_measured_and_keeps_its_rule(found: list[LoadPoint]) -> None:
    knee = find_knee(found)
    assert knee is not None
    last = {point.level: point for point in found}
    lowest = last[min(last)]
    assert last[knee.level] == LoadPoint(knee.level, knee.throughput, knee.p95_s)
    assert knee.p95_s <= SLOWDOWN * lowest.p95_s
    assert knee.throughput >= lowest.throughput
    assert find_knee(list(last.values())) == knee
    # Nothing below brings as much.
    below = [point.throughput for level, point in last.items() if level < knee.level]
    assert knee.throughput >= max(below, default=0.0)


def test_the_rule_names_its_figures() -> None:
    knee = find_knee(points(1))
    assert knee is not None
    assert f"{100 * GAIN_PER_DOUBLING:g} %" in knee.rule
    assert f"{SLOWDOWN:g} times" in knee.rule
