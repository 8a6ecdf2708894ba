from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from serve_app.planning.arrivals import DailyProfile, LengthMix
from serve_app.planning.bill import Prices, bill_of
from serve_app.planning.costs import Stage
from serve_app.planning.search import (
    HIGHEST_UTILISATION,
    Effort,
    Load,
    Plan,
    TargetOutOfReach,
    least_cluster,
    plan,
    simulated_part,
)
from tests.serve_app.planning.some_costs import COSTS, on_gpu

pytestmark = pytest.mark.unit

MIX = LengthMix.of([(10, 70), (60, 30)])
QUICK = Effort(requests=400)


def _load(rate_hz: float, *, peak: float = 2.0, diarized_share: float = 0.0) -> Load:
    """With so many requests a second at the busiest moment."""
    return Load(rate_hz / peak * 86_400 * MIX.mean_s / 3600, DailyProfile(peak), MIX, diarized_share)


def test_hours_a_day_are_requests_a_second() -> None:
    load = Load(240, DailyProfile(3), LengthMix.of([(36, 1)]))
    assert load.mean_rate_hz == pytest.approx(240 * 100 / 86_400)
    assert load.peak_rate_hz == pytest.approx(3 * load.mean_rate_hz)


def test_a_small_load_takes_one_of_each() -> None:
    found = plan(COSTS, _load(0.05), effort=QUICK)
    assert set(found.replicas.values()) == {1}
    assert (found.cpus, found.gpus, found.simulated_part) == (1, 0, 1.0)


def test_nothing_is_busier_than_allowed_and_the_target_is_met() -> None:
    found = plan(COSTS, _load(20, diarized_share=0.1), 2.0, QUICK)
    assert found.outcome.percentile_s(95) <= 2.0
    least = least_cluster(COSTS, _load(20, diarized_share=0.1))
    assert all(found.replicas[stage] >= number for stage, number in least.items())
    assert found.outcome.cpu_utilisation < 1.1 * HIGHEST_UTILISATION


def test_a_shorter_time_takes_no_less() -> None:
    plans = [plan(COSTS, _load(6), target_s, QUICK) for target_s in (3.0, 1.2, 1.0)]
    sizes = [(found.cpus, sum(found.replicas.values())) for found in plans]
    assert all(loose[0] <= tight[0] for loose, tight in itertools.pairwise(sizes))
    assert sizes[0] != sizes[-1]


def test_the_same_seed_gives_the_same_plan() -> None:
    first, second = (plan(COSTS, _load(6), 1.0, QUICK) for _ in range(2))
    assert (first.replicas, first.cpus) == (second.replicas, second.cpus)


def test_a_target_below_an_idle_service_is_told_so() -> None:
    with pytest.raises(TargetOutOfReach, match="nothing else to do"):
        plan(COSTS, _load(1), 0.01, QUICK)


def test_internet_scale_is_a_slice_that_scales() -> None:
    load = _load(10_000)
    part = simulated_part(load, COSTS, QUICK.requests)
    assert part < 0.01
    found = plan(COSTS, load, effort=QUICK)
    assert found.simulated_part == part
    # 0.02 s of the ingress for each of 10,000 requests keep 200 busy, and 0.8 is the most.
    assert 250 <= found.replicas[Stage.INGRESS] <= 500
    assert found.outcome.stages[Stage.INGRESS].utilisation <= 1.15 * HIGHEST_UTILISATION


def test_ten_times_the_load_takes_about_ten_times_as_much() -> None:
    small, large = (plan(COSTS, _load(rate_hz), effort=QUICK) for rate_hz in (200, 2000))
    assert large.cpus == pytest.approx(10 * small.cpus, rel=0.2)


def test_gpus_hold_the_shares_of_their_replicas() -> None:
    found = plan(on_gpu(COSTS), _load(20), effort=QUICK)
    assert found.gpus >= 0.7 * found.replicas[Stage.RECOGNIZER]
    assert found.outcome.gpu_utilisation > 0
    batch_items = found.outcome.stages[Stage.RECOGNIZER].batch_items
    assert batch_items is not None
    assert batch_items > 1


def test_more_speakers_take_more_diarizers() -> None:
    few, many = (least_cluster(COSTS, _load(5, diarized_share=share))[Stage.DIARIZER] for share in (0.1, 1.0))
    assert few < many


def test_the_bill() -> None:
    found: Plan = replace(plan(COSTS, _load(2, peak=3), effort=QUICK), cpus=10, gpus=2)
    bill = bill_of(found, Prices(0.05, 2.0))
    assert bill is not None
    assert bill.day_fixed == pytest.approx(24 * (10 * 0.05 + 2 * 2.0))
    assert 24 * (0.05 + 2.0) <= bill.day_scaled < bill.day_fixed
    assert bill.audio_hour_fixed == pytest.approx(bill.day_fixed / found.load.audio_hours_per_day)
    assert bill_of(found, Prices()) is None


def test_an_even_day_costs_what_its_peak_does() -> None:
    found = plan(COSTS, _load(2, peak=1), effort=QUICK)
    bill = bill_of(found, Prices(cpu_hour=1.0))
    assert bill is not None
    assert bill.day_fixed == bill.day_scaled == 24 * found.cpus
