"""The one decision: when a stage that is short, or has to spare, gets another number of replicas."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Band:
    """Numbers of replicas that are all right: with fewer the stage is short, with more it has some to spare."""

    fewest: int
    most: int

    def within(self, low: int, high: int) -> Band:
        """The nearest band between two bounds."""
        return Band(min(max(self.fewest, low), high), min(max(self.most, low), high))


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a stage must be short before it gets more, and have to spare before it gets fewer, without a break."""

    up_after_s: float
    down_after_s: float


@dataclass(frozen=True, slots=True)
class Watch:
    """Since when a stage is short or has to spare, and the most replicas that were all right since then."""

    short_since_s: float | None = None
    spare_since_s: float | None = None
    spare_most: int = 0


QUIET = Watch()


def decide(band: Band, target: int, now_s: float, watch: Watch, patience: Patience) -> tuple[int, Watch]:
    """The number of replicas that there should be now, and what to remember until the next time.

    Up goes to what is wanted at the end of the wait, since a queue has grown meanwhile. Down goes to the most that was
    wanted during all of it, like the stabilization window of Kubernetes' HorizontalPodAutoscaler: a peak that comes
    again within the wait keeps its replicas, and so a load that rises and falls faster than that moves nothing.
    """
    if target < band.fewest:
        since_s = now_s if watch.short_since_s is None else watch.short_since_s
        if now_s - since_s >= patience.up_after_s:
            return band.fewest, QUIET
        return target, Watch(short_since_s=since_s)
    if target > band.most:
        since_s = now_s if watch.spare_since_s is None else watch.spare_since_s
        most = max(band.most, watch.spare_most)
        if now_s - since_s >= patience.down_after_s:
            return most, QUIET
        return target, Watch(spare_since_s=since_s, spare_most=most)
    return target, QUIET
