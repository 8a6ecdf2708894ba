"""A visit, and what it is charged for its live sessions."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployments.errors import RayscribeError
from serve_app.access.plans import UNLIMITED
from serve_app.access.pricing import Charge
from serve_app.access.visit import Caller, Visit

VISIT = Visit(Caller("user-1", "ada", "local", "key-1"), UNLIMITED, "smallest_waves")


@dataclass
class Charges:
    recorded: list[Charge] = field(default_factory=list)
    noted: list[Charge] = field(default_factory=list)
    error: RayscribeError | None = None

    async def record(self, visit: Visit, charge: Charge) -> None:
        assert visit is VISIT
        if self.error:
            raise self.error
        self.recorded.append(charge)

    def note(self, visit: Visit, charge: Charge) -> None:
        assert visit is VISIT
        self.noted.append(charge)
