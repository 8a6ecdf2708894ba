"""What passes between the holders of leases (one in each ingress process) and the Limiter."""

from __future__ import annotations

from dataclasses import dataclass

from serve_app.access.visit import RateState


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to one of a user's concurrent requests.

    ``cap`` is the largest number of requests of this user, this one among them, that it may be one of.
    ``sequence`` is the place of its acquisition among all that its holder ever sent.
    """

    lease_id: str
    user_id: str
    cap: int
    sequence: int


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """One request at the door. Without a lease it is not counted; without a rate it is not slowed."""

    holder_id: str
    user_id: str
    lease: Lease | None
    requests_per_minute: int | None


@dataclass(frozen=True, slots=True)
class Admitted:
    """Come in; the lease, where one was asked for, is granted."""

    rate: RateState | None


@dataclass(frozen=True, slots=True)
class NotYet:
    """A Limiter that has just started cannot count yet; ask again after so many seconds."""

    ready_in_s: float


@dataclass(frozen=True, slots=True)
class HolderReport:
    """All that a holder holds and still waits for, when it sent its message number ``sequence``.

    ``held`` is in order of age. ``pending`` are the ids of leases that were asked for and not answered.
    """

    holder_id: str
    sequence: int
    held: tuple[Lease, ...]
    pending: tuple[str, ...]
