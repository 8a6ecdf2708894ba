"""Who comes when, with what: Poisson arrivals, a daily profile, and a mix of lengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import i0e

# WindowSettings.earliest_cut: a window that had to be cut is at least this part of the longest.
_SHORTEST_CUT = 0.4
# Recordings of a class are this part shorter or longer than its mean, at most.
_SPREAD = 0.5
HIGHEST_PEAK = 24.0
"""All of a day's work within about an hour: a steeper profile is no daily one."""


@dataclass(frozen=True, slots=True)
class LengthClass:
    """Recordings of about one length, and how many of all there are."""

    mean_s: float
    share: float


@dataclass(frozen=True, slots=True)
class LengthMix:
    """Classes of lengths, shortest first; the shares add up to 1."""

    classes: tuple[LengthClass, ...]

    @classmethod
    def of(cls, weights: Sequence[tuple[float, float]]) -> LengthMix:
        """From (mean seconds, weight) pairs; the weights need not add up to anything.

        Raises:
            ValueError: there is none, or one that is not positive, or two of one length.
        """
        if not weights or not all(0 < value < math.inf for pair in weights for value in pair):
            raise ValueError("lengths and their weights must be numbers above 0")
        if len({mean_s for mean_s, _ in weights}) < len(weights):
            raise ValueError("a length is there twice")
        total = sum(weight for _, weight in weights)
        return cls(tuple(LengthClass(mean_s, weight / total) for mean_s, weight in sorted(weights)))

    @property
    def mean_s(self) -> float:
        """Of all recordings."""
        return sum(entry.mean_s * entry.share for entry in self.classes)

    @property
    def longest_s(self) -> float:
        """No recording is longer."""
        return self.classes[-1].mean_s * (1 + _SPREAD)


@dataclass(frozen=True, slots=True)
class DailyProfile:
    """The rate over a day as a von Mises curve: smooth, periodic, and of one parameter.

    Args:
        peak: the rate of the busiest moment over that of the day's mean, from 1 (no daily course) to HIGHEST_PEAK.
    """

    peak: float

    def __post_init__(self) -> None:
        if not 1 <= self.peak <= HIGHEST_PEAK:
            raise ValueError(f"the peak is between 1 and {HIGHEST_PEAK:g} times the mean")

    def factors(self, hours: int = 24) -> tuple[float, ...]:
        """The rate over the mean in so many equal parts of a day, from the busiest moment on; their mean is 1."""
        concentration = self._concentration()
        turns = [math.exp(concentration * (math.cos(2 * math.pi * hour / hours) - 1)) for hour in range(hours)]
        mean = sum(turns) / hours
        return tuple(turn / mean for turn in turns)

    def _concentration(self) -> float:
        # exp(k cos t) has the mean I0(k) and the peak exp(k).
        return 0.0 if self.peak == 1 else float(brentq(lambda k: 1 / i0e(k) - self.peak, 0.0, 10 * self.peak**2))


@dataclass(frozen=True, slots=True)
class Request:
    """A recording that arrives. ``windows_s`` are what the recogniser is given, in order."""

    arrival_s: float
    length_class: int
    duration_s: float
    windows_s: tuple[float, ...]
    is_diarized: bool


@dataclass(frozen=True, slots=True)
class Workload:
    """What comes, without when."""

    mix: LengthMix
    speech_share: float
    longest_window_s: float
    diarized_share: float = 0.0


def poisson_requests(workload: Workload, rate_hz: float, count: int, seed: int) -> tuple[Request, ...]:
    """So many requests at a constant rate, in order; the same for the same arguments.

    Times and recordings are drawn apart: another rate brings the same recordings at other moments.
    """
    times, draws = (np.random.default_rng([seed, stream]) for stream in range(2))
    arrivals_s = np.cumsum(times.exponential(1 / rate_hz, count))
    shares = [entry.share for entry in workload.mix.classes]
    classes = draws.choice(len(shares), size=count, p=shares)
    spreads = draws.uniform(1 - _SPREAD, 1 + _SPREAD, count)
    diarized = draws.random(count) < workload.diarized_share
    requests = []
    for arrival_s, number, spread, is_diarized in zip(arrivals_s, classes, spreads, diarized, strict=True):
        duration_s = workload.mix.classes[number].mean_s * float(spread)
        windows_s = windows_of(duration_s * workload.speech_share, workload.longest_window_s, draws)
        requests.append(Request(float(arrival_s), int(number), duration_s, windows_s, bool(is_diarized)))
    return tuple(requests)


def windows_of(speech_s: float, longest_s: float, draws: np.random.Generator) -> tuple[float, ...]:
    """As deployments.recognition.windows cuts where pauses come at random: between 0.4 and 1 times the longest."""
    windows_s = []
    while speech_s > longest_s:
        latest_s = min(longest_s, speech_s - _SHORTEST_CUT * longest_s / 2)
        window_s = float(draws.uniform(_SHORTEST_CUT * longest_s, latest_s))
        windows_s.append(window_s)
        speech_s -= window_s
    return (*windows_s, speech_s)
