"""What a request costs: a pure function of the plan and of what was done."""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from serve_app.access.plans import Plan
from serve_app.access.visit import Visit

MICROS = 1_000_000
"""Micro-units in one unit of the operator's currency."""

# Wide enough that products are exact and that the one rounding, at the end, is the only one: 17 digits of the seconds
# times those of a price of nine decimals and of a surcharge of four.
_EXACT = decimal.Context(prec=80, rounding=decimal.ROUND_HALF_EVEN)


class Outcome(StrEnum):
    """How a request ended."""

    COMPLETED = "completed"
    NO_SPEECH = "no_speech"
    LOW_SNR = "low_snr"
    CANCELLED = "cancelled"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Charge:
    """One finished request. audio_s is the length of the recording, billable_s the part that would be paid for.

    What has one ``id`` is charged once, so it is never one that a client may choose: it is that of a job or of a live
    session, or made for the charge.
    """

    id: str
    user_id: str
    key_id: str | None
    dialect: str
    audio_s: float
    billable_s: float
    diarized: bool
    outcome: Outcome

    @classmethod
    def of(
        cls, visit: Visit, charge_id: str, outcome: Outcome, *, audio_s: float, billable_s: float, diarized: bool
    ) -> Charge:
        """What came of a visit."""
        return cls(
            id=charge_id,
            user_id=visit.caller.user_id,
            key_id=visit.caller.key_id,
            dialect=visit.dialect,
            audio_s=audio_s,
            billable_s=billable_s,
            diarized=diarized,
            outcome=outcome,
        )

    @property
    def billed_s(self) -> float:
        """What is paid for and counted against the quota: only a completed request gave its caller anything."""
        return self.billable_s if self.outcome is Outcome.COMPLETED else 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """In micro-units of the operator's currency."""

    base_micros: int = 0
    surcharge_micros: int = 0

    @property
    def total_micros(self) -> int:
        """Both together."""
        return self.base_micros + self.surcharge_micros


FREE = Cost()


def price(plan: Plan, charge: Charge) -> Cost:
    """The seconds times the plan's price, and a part of that again where speakers were told apart.

    Each of the two is computed exactly and then rounded once, half to even, to a whole micro-unit. The seconds are the
    decimal number that the float is written as: 0.1 s are a tenth.
    """
    base = _EXACT.multiply(Decimal(repr(charge.billed_s)), plan.price_per_audio_second)
    surcharge = _EXACT.multiply(base, plan.diarization_surcharge) if charge.diarized else Decimal(0)
    return Cost(_rounded_micros(base), _rounded_micros(surcharge))


def to_micros(amount: Decimal) -> int:
    """An amount of money in micro-units.

    Raises:
        ValueError: it is not finite, or has more than six decimals.
    """
    micros = _EXACT.multiply(amount, Decimal(MICROS))
    if not micros.is_finite() or micros != micros.to_integral_value():
        raise ValueError("an amount of money has six decimals at most")
    return int(micros)


def from_micros(micros: int) -> Decimal:
    """An amount of money in whole units, exactly."""
    return Decimal(micros).scaleb(-6, _EXACT)


def _rounded_micros(amount: Decimal) -> int:
    return int(_EXACT.multiply(amount, Decimal(MICROS)).to_integral_value(context=_EXACT))
