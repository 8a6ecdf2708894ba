"""Which audio is heard for a region: all of it, more around it where it is short, parts of it where it is long."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deployments.contracts import TimeSpan


@dataclass(frozen=True, slots=True)
class ClipSettings:
    """Lengths of clips.

    Attributes:
        shortest_s: a shorter region is widened to this on both sides: what surrounds it is most likely in the same
            language, and the model knows little from a second of speech.
        longest_s: what the model hears at once.
        most_clips: of one region; those of a longer one are spread over it.
    """

    shortest_s: float
    longest_s: float
    most_clips: int

    def __post_init__(self) -> None:
        if not 0.0 <= self.shortest_s <= self.longest_s or self.longest_s <= 0.0 or self.most_clips < 1:
            raise ValueError("need 0 <= shortest_s <= longest_s, longest_s above 0, and most_clips at least 1")


def clips_of(region: TimeSpan, duration_s: float, settings: ClipSettings) -> list[TimeSpan]:
    """Stretches of a recording of duration_s to hear for one of its regions, in order; at least one."""
    start_s, end_s = _widened(region, duration_s, settings.shortest_s)
    excess_s = end_s - start_s - settings.longest_s
    if excess_s <= 0.0:
        return [TimeSpan(start_s, end_s)]
    count = min(math.ceil((end_s - start_s) / settings.longest_s), settings.most_clips)
    shares = [0.5] if count == 1 else [at / (count - 1) for at in range(count)]
    starts_s = [start_s + share * excess_s for share in shares]
    return [TimeSpan(at_s, min(at_s + settings.longest_s, end_s)) for at_s in starts_s]


def _widened(region: TimeSpan, duration_s: float, shortest_s: float) -> tuple[float, float]:
    """At least shortest_s where the recording has that much, moved rather than cut at its ends."""
    missing_s = shortest_s - region.duration_s
    if missing_s <= 0.0:
        return region.start_s, region.end_s
    start_s = max(0.0, min(region.start_s - missing_s / 2, duration_s - shortest_s))
    return start_s, max(region.end_s, min(start_s + shortest_s, duration_s))
