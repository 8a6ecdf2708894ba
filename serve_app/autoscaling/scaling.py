"""What the stages are short of: parameters, with their reasons, and the band of replicas that follows from readings.

Every stage has two thresholds, apart from each other, so that what follows from more replicas, or fewer, never crosses
the other one: with replicas in use to more than ``full`` it gets more, and one goes only if the others would then be in
use to ``spare`` at most. Work that waits is a shortage by itself: it must be done within ``drain_s``, at the speed that
was measured lately.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from pydantic import Field, model_validator

from serve_app.autoscaling.readings import Readings
from serve_app.autoscaling.watch import Band, Patience
from serve_app.settings_section import Section

# A ratio of floats that should be whole is a little more at times.
_ROUNDING = 1e-9


class Scaling(Section, ABC):
    """When a stage is scaled; subclasses say by what."""

    up_after_s: float = Field(10.0, ge=0, description="Short for so long without a break before it gets more.")
    down_after_s: float = Field(
        300.0,
        ge=0,
        description="To spare for so long before it gets fewer: longer than a lull, and than a start takes.",
    )

    @property
    def patience(self) -> Patience:
        """For decide()."""
        return Patience(self.up_after_s, self.down_after_s)

    @abstractmethod
    def band(self, readings: Readings) -> Band:
        """Numbers of replicas that are all right."""


class _Thresholds(Scaling):
    full: float = Field(0.8, gt=0, le=1, description="In use to more than this part, replicas need help.")
    spare: float = Field(0.6, gt=0, le=1, description="What remains may be in use to this part after one has gone.")

    @model_validator(mode="after")
    def _full_is_more(self) -> _Thresholds:
        if self.spare >= self.full:
            raise ValueError("spare must be less than full, or replicas would come and go")
        return self


class ConnectionScaling(_Thresholds):
    """For what holds connections: requests, live sessions and bytes, each against as many as one replica takes."""

    full: float = Field(
        0.6, gt=0, le=1, description="Sessions stay where they are, and new ones come while another replica starts."
    )
    spare: float = Field(0.4, gt=0, le=1, description="Apart from full, as elsewhere.")

    def band(self, readings: Readings) -> Band:
        """See Scaling."""
        taken = max(
            _share(readings.level(kind), readings.each(f"max_{kind}")) for kind in ("requests", "sessions", "bytes")
        )
        return _band([taken / self.full], taken / self.spare)


class QueueScaling(_Thresholds):
    """For an engine that does one call after the other: by how much it is in use, and what waits.

    Never more replicas than there are calls: a call is one replica's, so that one long recording brings no other.
    """

    drain_s: float = Field(60.0, gt=0, description="What waits must be done within this time.")

    def band(self, readings: Readings) -> Band:
        """See Scaling."""
        used, backlog = self._used(readings), self._backlog(readings)
        calls = readings.level("inside") + readings.queued_calls
        busy = max(used, _share(readings.rate("busy_s"), readings.each("slots")))
        return _band([min(calls, used / self.full), min(calls, backlog)], (busy + backlog) / self.spare)

    def _used(self, readings: Readings) -> float:
        """Replicas that are in use."""
        return _share(readings.rate("busy_s"), readings.each("slots"))

    def _backlog(self, readings: Readings) -> float:
        """Replicas that do within drain_s what waits in them and, in calls as long as others, in front of them."""
        waiting = readings.level("waiting") + readings.queued_calls * (readings.ratio("done", "calls") or 0.0)
        return _share(_seconds(readings, waiting), readings.each("slots") * self.drain_s)


class CpuScaling(QueueScaling):
    """For what holds the interpreter: by processor time, of one processor for each slot, and the calls that wait.

    Where a process is kept from its processor, that shows in what waits, and in the time that its calls take: it goes
    no sooner for that.
    """

    drain_s: float = Field(10.0, gt=0, description="A request can do nothing else while this one waits.")

    def _used(self, readings: Readings) -> float:
        return _share(readings.rate("cpu_s"), readings.each("slots"))


class BatchScaling(QueueScaling):
    """For the recogniser: by audio that waits, by how full its batches are, and by live work, which cannot wait.

    Slots alone say little, since a free one takes at once whatever there is: a GPU may be busy all the time with
    batches of one that could be of thirty. So audio that was done is set against what slots do in full batches.
    """

    drain_s: float = Field(30.0, gt=0, description="What waits must be done within this time.")
    live_full: float = Field(
        0.5, gt=0, le=1, description="A final waits for the batch before it: half of the time there should be none."
    )
    live_drain_s: float = Field(2.0, gt=0, description="As drain_s, for what is said live.")

    @model_validator(mode="after")
    def _live_full_is_more(self) -> BatchScaling:
        if self.spare / 2 >= self.live_full:
            raise ValueError("live_full must be more than half of spare, or replicas would come and go")
        return self

    def band(self, readings: Readings) -> Band:
        """See Scaling."""
        slots = readings.each("slots")
        used, backlog = self._used(readings), self._backlog(readings)
        live_backlog = _share(_seconds(readings, readings.level("live_waiting")), slots * self.live_drain_s)
        live = _share(readings.rate("live_busy_s"), slots)
        calls = readings.level("inside") + readings.queued_calls
        return _band(
            [min(calls, used / self.full), min(calls, backlog), live_backlog, live / self.live_full],
            max((used + backlog) / self.spare, (live + live_backlog) / (self.spare / 2)),
        )

    def _used(self, readings: Readings) -> float:
        """Replicas that full batches would keep busy; before there was one, those that are busy."""
        slots = readings.each("slots")
        busy = _share(readings.rate("busy_s"), slots)
        full_s = readings.ratio("full_worked_s", "full_done")
        return busy if full_s is None else min(busy, _share(readings.rate("done") * full_s, slots))


def _seconds(readings: Readings, amount: float) -> float:
    """What a slot takes for an amount of work; 0 before anything was finished, when nobody can tell."""
    return amount * (readings.ratio("worked_s", "done") or 0.0)


def _share(amount: float, of: float) -> float:
    return amount / of if of else 0.0


def _band(fewest: list[float], most: float) -> Band:
    low = max(1, *(math.ceil(number - _ROUNDING) for number in fewest))
    return Band(low, max(low, math.ceil(most - _ROUNDING)))
