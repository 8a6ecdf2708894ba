"""Cuts speech into windows that the engine is good at: at pauses where there are any, never inside a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from deployments.contracts import SAMPLE_RATE_HZ, Samples, TimeSpan

_HOP_S = 0.02
_HOP_SAMPLES = int(_HOP_S * SAMPLE_RATE_HZ)
# The dip between two words is about this long; a shorter one may lie inside a stop consonant.
_DIP_HOPS = 5


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """Which windows are good.

    Attributes:
        longest_s: a window never exceeds this.
        earliest_cut: a window that has to be cut is not cut before this share of longest_s, so that no cut leaves
            crumbs.
        longest_pause_s: a window never spans a longer pause: the model tends to fill it with words.
    """

    longest_s: float
    earliest_cut: float = 0.4
    longest_pause_s: float = 3.0

    @property
    def shortest_cut_s(self) -> float:
        """The shortest window that a cut leaves behind."""
        return self.earliest_cut * self.longest_s


def plan_windows(samples: Samples, regions: Sequence[TimeSpan], settings: WindowSettings) -> list[TimeSpan]:
    """Windows that cover all regions (sorted, disjoint), in order, disjoint; linear in the length of the audio."""
    windows = []
    for stretch in _stretches(regions, settings.longest_pause_s):
        start_s, end_s = stretch[0].start_s, stretch[-1].end_s
        while end_s - start_s > settings.longest_s:
            cut_end_s, next_start_s = _cut(samples, stretch, start_s, end_s, settings)
            windows.append(TimeSpan(start_s, cut_end_s))
            start_s = next_start_s
        windows.append(TimeSpan(start_s, end_s))
    return windows


def _stretches(regions: Sequence[TimeSpan], longest_pause_s: float) -> list[list[TimeSpan]]:
    """Runs of regions without a long pause between them."""
    stretches: list[list[TimeSpan]] = []
    for region in regions:
        if stretches and region.start_s - stretches[-1][-1].end_s <= longest_pause_s:
            stretches[-1].append(region)
        else:
            stretches.append([region])
    return stretches


def _cut(
    samples: Samples, stretch: Sequence[TimeSpan], start_s: float, end_s: float, settings: WindowSettings
) -> tuple[float, float]:
    """Where the window from start_s ends, and where the next one begins."""
    earliest_s = start_s + settings.shortest_cut_s
    # What is left over should be worth a window of its own, too.
    latest_s = min(start_s + settings.longest_s, end_s - settings.shortest_cut_s / 2)
    pauses = [
        (before.end_s, after.start_s) for before, after in pairwise(stretch) if earliest_s <= before.end_s <= latest_s
    ]
    if pauses:
        # Regions that share a short pause as padding touch: of equals, the last makes the longest window.
        return max(pauses, key=lambda pause: (pause[1] - pause[0], pause[1]))
    quietest_s = quietest_point(samples, TimeSpan(earliest_s, latest_s))
    return quietest_s, quietest_s


def quietest_point(samples: Samples, span: TimeSpan) -> float:
    """The middle of the quietest tenth of a second within the span, in seconds; the span's end if it is shorter."""
    first = int(span.start_s * SAMPLE_RATE_HZ)
    hops = (min(int(span.end_s * SAMPLE_RATE_HZ), len(samples)) - first) // _HOP_SAMPLES
    if hops < _DIP_HOPS:
        return span.end_s
    framed = samples[first : first + hops * _HOP_SAMPLES].reshape(hops, _HOP_SAMPLES)
    power = np.einsum("hs,hs->h", framed, framed, dtype=np.float64)
    dips = np.convolve(power, np.ones(_DIP_HOPS), mode="valid")
    # The last of equals: a longer window is a better one.
    quietest = len(dips) - 1 - int(np.argmin(dips[::-1]))
    return span.start_s + (quietest + _DIP_HOPS / 2) * _HOP_S
