"""What a user may do: plans are configuration, a user's row names one."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Feature(StrEnum):
    """What a plan can lack."""

    DIARIZATION = "diarization"
    REFINEMENT = "refinement"


class Plan(BaseModel):
    """Limits and prices of one plan. None means: no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concurrent_requests: int | None = Field(
        10, ge=1, description="Requests and live sessions of one user at once, over all APIs and ingress replicas."
    )
    dialect_concurrent_requests: dict[str, int] = Field(
        {"sixtydb": 8}, description="A lower cap for requests that come in through one API; all APIs are counted."
    )
    requests_per_minute: int | None = Field(60, ge=1, description="Over any minute, and over all APIs.")
    audio_hours_per_day: float | None = Field(100.0, gt=0, description="Billable audio of one UTC day.")
    features: frozenset[Feature] = Field(frozenset(Feature), description="What the plan includes.")
    price_per_audio_second: Decimal = Field(
        Decimal(0), ge=0, decimal_places=9, description="In the operator's currency; charged when billing is on."
    )
    diarization_surcharge: Decimal = Field(
        Decimal("0.30"), ge=0, decimal_places=4, description="Part of the price added when speakers are told apart."
    )

    def concurrency_in(self, dialect: str) -> int | None:
        """The cap on a user's requests in flight, as it applies to one that comes in through this API."""
        caps = [cap for cap in (self.concurrent_requests, self.dialect_concurrent_requests.get(dialect)) if cap]
        return min(caps) if caps else None


UNLIMITED = Plan(
    concurrent_requests=None, dialect_concurrent_requests={}, requests_per_minute=None, audio_hours_per_day=None
)
"""What the one user of a laptop gets."""
