from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.access.plans import Plan
from serve_app.access.pricing import FREE, Charge, Cost, Outcome, from_micros, price, to_micros

pytestmark = pytest.mark.unit


def _charge(billable_s: float, *, diarized: bool = False, outcome: Outcome = Outcome.COMPLETED) -> Charge:
    return Charge("req_1", "user_1", None, "smallest_selfhost", billable_s + 1.0, billable_s, diarized, outcome)


def test_seconds_times_the_price() -> None:
    plan = Plan(price_per_audio_second=Decimal("0.0005"))
    assert price(plan, _charge(60.0)) == Cost(base_micros=30_000)


def test_speakers_cost_a_part_more() -> None:
    plan = Plan(price_per_audio_second=Decimal("0.0005"), diarization_surcharge=Decimal("0.30"))
    cost = price(plan, _charge(60.0, diarized=True))
    assert cost == Cost(base_micros=30_000, surcharge_micros=9_000)
    assert cost.total_micros == 39_000


def test_a_float_is_the_number_it_is_written_as() -> None:
    # 0.1 + 0.2 s as a binary fraction times this price would be a hair over the half.
    assert price(Plan(price_per_audio_second=Decimal("0.000005")), _charge(0.1)) == Cost(0)
    assert price(Plan(price_per_audio_second=Decimal("0.000015")), _charge(0.1)) == Cost(2)


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.COMPLETED])
def test_only_what_was_completed_costs(outcome: Outcome) -> None:
    charge = _charge(60.0, diarized=True, outcome=outcome)
    assert price(Plan(price_per_audio_second=Decimal(1)), charge) == FREE
    assert charge.billed_s == 0.0


@given(
    billable_s=st.floats(0, 1e6),
    price_per_s=st.decimals(0, 100, places=9),
    surcharge=st.decimals(0, 2, places=4),
    diarized=st.booleans(),
)
def test_nothing_is_off_by_more_than_half_a_micro_unit(
    billable_s: float, price_per_s: Decimal, surcharge: Decimal, diarized: bool
) -> None:
    plan = Plan(price_per_audio_second=price_per_s, diarization_surcharge=surcharge)
    cost = price(plan, _charge(billable_s, diarized=diarized))
    base = Fraction(repr(billable_s)) * Fraction(price_per_s) * 1_000_000
    extra = base * Fraction(surcharge) if diarized else Fraction(0)
    assert cost == Cost(round(base), round(extra))


@given(st.integers(-(10**15), 10**15))
def test_money_comes_back_as_it_was(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros
    assert to_micros(Decimal(f"{from_micros(micros):f}")) == micros


@pytest.mark.parametrize("amount", ["0.0000001", "NaN", "Infinity", "-Infinity"])
def test_what_is_no_whole_number_of_micro_units_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="six decimals"):
        to_micros(Decimal(amount))
