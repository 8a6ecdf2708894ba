from __future__ import annotations

from typing import Any

import pytest

from deployments.contracts import TranscriptionRequest
from deployments.errors import ServiceUnavailable
from serve_app.access.metering import LedgerMeter
from serve_app.access.plans import UNLIMITED, Plan
from serve_app.access.pricing import Charge, Outcome
from serve_app.access.visit import Caller, Visit
from tests.fakes.virtual_time import virtually
from tests.serve_app.access.test_client_secrets import Door, caller, door, secrets  # noqa: F401

pytestmark = pytest.mark.unit

VISIT = Visit(Caller("u", "ann", "p"), UNLIMITED, "openai")


class Outage:
    """A ledger whose database is away for so many attempts."""

    def __init__(self, attempts: int) -> None:
        self.left = attempts
        self.recorded: list[str] = []

    async def record(self, charge: Charge, plan: Plan) -> None:
        if self.left:
            self.left -= 1
            raise ServiceUnavailable("The database does not answer")
        self.recorded.append(charge.id)


@virtually
async def test_work_that_is_done_waits_for_the_ledger() -> None:
    ledger: Any = Outage(4)
    charge = Charge("c", "u", None, "openai", 1.0, 1.0, diarized=False, outcome=Outcome.COMPLETED)
    await LedgerMeter(ledger).record(VISIT, charge)
    assert ledger.recorded == ["c"]


@virtually
async def test_no_more_than_a_thousand_notes_wait_for_a_ledger_that_is_away() -> None:
    ledger: Any = Outage(10**9)
    meter = LedgerMeter(ledger)
    for _ in range(1500):
        meter.failed(VISIT, TranscriptionRequest("r"), ServiceUnavailable("x"), 0.0)
    assert len(meter._notes) == 1000
    await meter.close()


@virtually
async def test_a_close_waits_for_what_is_being_noted() -> None:
    ledger: Any = Outage(3)
    meter = LedgerMeter(ledger)
    meter.failed(VISIT, TranscriptionRequest("r"), ServiceUnavailable("x"), 0.0)
    await meter.close()
    assert len(ledger.recorded) == 1
