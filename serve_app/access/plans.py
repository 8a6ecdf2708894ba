"""What a user may do: plans are configuration, a user's row names one."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Feature(StrEnum):
    """What a plan can lack."""

    DIARIZATION = "diarization"
    REFINEMENT = "refinement"


_DOCUMENTED_CAPS = {"sixtydb": 8}


class Plan(BaseModel):
    """Limits and prices of one plan. None means: no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concurrent_requests: int | None = Field(
        10, ge=1, description="Requests and live sessions of one user at once, over all APIs and ingress replicas."
    )
    dialect_concurrent_requests: dict[str, int] | None = Field(
        None,
        description="Lower caps for requests that come in through single APIs; all APIs are counted. Default: 60db's "
        "documented 8, where there is a cap at all.",
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

    @model_validator(mode="after")
    def _counts_everything_where_it_caps_something(self) -> Plan:
        if self.concurrent_requests is None and self.dialect_concurrent_requests:
            raise ValueError(
                "dialect_concurrent_requests needs concurrent_requests: without it other APIs' requests are not counted"
            )
        return self

    def concurrency_in(self, dialect: str) -> int | None:
        """The cap on a user's requests in flight, as it applies to one that comes in through this API."""
        if self.concurrent_requests is None:
            return None
        lower = _DOCUMENTED_CAPS if self.dialect_concurrent_requests is None else self.dialect_concurrent_requests
        return min(self.concurrent_requests, lower.get(dialect, self.concurrent_requests))


UNLIMITED = Plan(concurrent_requests=None, requests_per_minute=None, audio_hours_per_day=None)
"""What the one user of a laptop gets."""
