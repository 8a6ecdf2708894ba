"""A visit, and what it is charged for its live sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from deployments.errors import RayscribeError
from serve_app.access.ledger import Receipt
from serve_app.access.plans import UNLIMITED
from serve_app.access.pricing import Charge, price
from serve_app.access.visit import Caller, Visit

PLAN = UNLIMITED.model_copy(update={"price_per_audio_second": Decimal("0.00005")})
VISIT = Visit(Caller("user-1", "ada", "local", "key-1"), PLAN, "smallest_waves")


@dataclass
class Charges:
    recorded: list[Charge] = field(default_factory=list)
    noted: list[Charge] = field(default_factory=list)
    error: RayscribeError | None = None

    async def record(self, visit: Visit, charge: Charge) -> Receipt:
        assert visit is VISIT
        if self.error:
            raise self.error
        self.recorded.append(charge)
        return Receipt(charge.id, charge.user_id, charge.outcome, charge.billed_s, price(PLAN, charge), 0.0)

    def note(self, visit: Visit, charge: Charge) -> None:
        assert visit is VISIT
        self.noted.append(charge)
