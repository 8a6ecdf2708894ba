"""Whole courses of scaling, in virtual time: reaction, no flapping, bounds."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from load_tests.autoscaling_simulation import TICK_S, Connecting, Course, Engines, Load, Settings, Work, simulate
from serve_app.autoscaling.scaling import BatchScaling, ConnectionScaling, CpuScaling, QueueScaling, Scaling
from tests.examples import examples

pytestmark = pytest.mark.unit

# The load that one replica bears by itself, in the units of each kind of work.
ONE = {ConnectionScaling: 64.0, CpuScaling: 100.0, QueueScaling: 100.0, BatchScaling: 100.0}
KINDS = [ConnectionScaling, CpuScaling, QueueScaling, BatchScaling]


def work_of(kind: type[Scaling]) -> Work:
    return Connecting() if kind is ConnectionScaling else Engines(slots=1.0)


def settings_of(kind: type[Scaling], *, start_s: float = 10.0, down_after_s: float = 300.0) -> Settings:
    return Settings(kind(down_after_s=down_after_s), start_s=start_s)


def stays_within_bounds(course: Course, settings: Settings) -> bool:
    return all(settings.min_replicas <= one.wanted <= settings.max_replicas for one in course.moments)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start_s", [5.0, 180.0])
def test_a_step_is_answered_within_the_bound_and_then_borne(kind: type[Scaling], start_s: float) -> None:
    settings = settings_of(kind, start_s=start_s)
    step_s, high = 100.0, 4.0 * ONE[kind]
    course = simulate(settings, work_of(kind), lambda now_s: high if now_s >= step_s else 10.0, 1600.0)
    (first_s, by), *_ = course.changes
    assert by > 0
    # One replica cannot bear it from the first moment on.
    assert step_s < first_s <= step_s + settings.reaction_s + 2 * TICK_S
    # It grows once more in every reaction and start, until it is enough; a replica that is full tells of no more.
    enough_s = step_s + 4 * (settings.reaction_s + 2 * TICK_S + start_s)
    assert [one.wanted for one in course.moments if one.time_s <= enough_s][-1] >= 4
    assert course.moments[-1].waiting < 30 * ONE[kind]
    assert course.turns <= 1
    assert stays_within_bounds(course, settings)


@pytest.mark.parametrize("kind", KINDS)
def test_a_load_that_has_gone_lets_replicas_go_after_the_wait(kind: type[Scaling]) -> None:
    settings = settings_of(kind, down_after_s=300.0)
    until_s = 400.0
    load = lambda now_s: 3 * ONE[kind] if now_s < until_s else 1.0  # noqa: E731
    course = simulate(settings, work_of(kind), load, 2000.0, replicas=5)
    assert all(by < 0 for _, by in course.changes)
    first_s, last_s = course.changes[0][0], course.changes[-1][0]
    assert until_s + 300 <= first_s <= until_s + 300 + settings.reaction_s + 2 * TICK_S
    # The first step is as short as the least that was to spare while the load went; the second is the rest.
    assert last_s <= until_s + 2 * (300 + settings.reaction_s + 2 * TICK_S)
    assert course.moments[-1].wanted == 1


def sawtooth(kind: type[Scaling], period_s: float) -> Load:
    return lambda now_s: ONE[kind] * (0.2 + 3.3 * (now_s % period_s) / period_s)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start_s", [5.0, 180.0])
def test_a_sawtooth_that_is_shorter_than_the_wait_moves_nothing_once_its_peak_is_borne(
    kind: type[Scaling], start_s: float
) -> None:
    period_s = 240.0
    settings = settings_of(kind, start_s=start_s, down_after_s=300.0)
    course = simulate(settings, work_of(kind), sawtooth(kind, period_s), 12 * period_s)
    # While replicas start for minutes a queue grows, and brings more of them than the peaks take.
    assert course.turns == 0 if start_s < period_s / 8 else course.turns <= 1
    assert all(at_s < 8 * period_s for at_s, _ in course.changes)
    assert stays_within_bounds(course, settings)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("period_s", [900.0, 1800.0])
def test_a_long_sawtooth_is_followed_with_one_turn_each_way(kind: type[Scaling], period_s: float) -> None:
    settings = settings_of(kind, start_s=30.0, down_after_s=300.0)
    course = simulate(settings, work_of(kind), sawtooth(kind, period_s), 4 * period_s)
    for number in range(4):
        since_s = number * period_s
        signs = [by > 0 for at_s, by in course.changes if since_s <= at_s < since_s + period_s]
        assert sum(1 for before, after in itertools.pairwise(signs) if before is not after) <= 1
    assert stays_within_bounds(course, settings)


@settings_of_hypothesis(max_examples=examples(10))
@given(
    kind=st.sampled_from(KINDS),
    share=st.floats(0.0, 10.0),
    start_s=st.floats(0.0, 60.0),
    look_back_s=st.floats(11.0, 60.0),
    up_after_s=st.floats(0.0, 30.0),
    down_after_s=st.floats(60.0, 200.0),
    spare_share=st.floats(0.2, 0.95),
    first=st.integers(1, 8),
)
def test_a_constant_load_makes_no_replicas_come_and_go(
    kind: type[Scaling],
    share: float,
    start_s: float,
    look_back_s: float,
    up_after_s: float,
    down_after_s: float,
    spare_share: float,
    first: int,
) -> None:
    scaling = kind.model_validate(
        {"up_after_s": up_after_s, "down_after_s": down_after_s, "spare": spare_share * kind().full}  # type: ignore[attr-defined]
    )
    settings = Settings(scaling, look_back_s=look_back_s, start_s=start_s)
    load = share * ONE[kind]
    course = simulate(settings, work_of(kind), lambda _: load, 3000.0, replicas=first)
    assert stays_within_bounds(course, settings)
    # Up for what has queued, then down to what it takes; or down from the beginning.
    assert course.turns <= 1
    if course.turns:
        assert course.changes[0][1] > 0
    assert all(at_s < 2500 for at_s, _ in course.changes)
    assert course.moments[-1].wanted >= min(math.ceil(share - 1e-6), settings.max_replicas)
