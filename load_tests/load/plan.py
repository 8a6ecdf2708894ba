"""What a run is to do: levels, the mix of calls, who calls. Pure."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class FileApi(StrEnum):
    """Ways to have a recording transcribed."""

    LISTEN = "listen"
    WAVES = "waves"
    SIXTYDB = "60db"
    OPENAI = "openai"
    URL = "url"
    JOB = "job"


class LiveApi(StrEnum):
    """Sockets that are spoken into."""

    WAVES = "waves-live"
    SIXTYDB = "60db-live"
    OPENAI = "openai-live"


class Arrivals(StrEnum):
    """What decides when a call is made.

    ``closed``: so many callers, each of which calls again when it is answered. ``open``: a Poisson process of so many
    calls a second, whether the earlier ones are answered or not, as the callers of a service are that do not know each
    other.
    """

    CLOSED = "closed"
    OPEN = "open"


DEFAULT_LEVELS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
DEFAULT_RATES_HZ = (0.25, 0.5, 1.0, 2.0, 4.0)
DEFAULT_FILES = {
    FileApi.LISTEN: 3,
    FileApi.OPENAI: 2,
    FileApi.SIXTYDB: 2,
    FileApi.WAVES: 1,
    FileApi.URL: 1,
    FileApi.JOB: 1,
}
DEFAULT_LIVE = {LiveApi.WAVES: 1, LiveApi.SIXTYDB: 1, LiveApi.OPENAI: 1}
# Seconds of audio, and how many of twenty recordings are so long.
DEFAULT_LENGTHS = {2.0: 8, 15.0: 7, 60.0: 4, 240.0: 1}


class PlanError(ValueError):
    """An option cannot be read; the message is for people."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a key of his own, and so with a cap of his own. ``weight``: his part of the calls."""

    name: str
    key: str | None = field(default=None, repr=False)
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Attributes:
        levels: of the steps, in turn: callers at once, or calls a second.
        arrivals: which of the two.
        step_s: how long new calls are made in a step. What is then under way is waited for.
        files: how often each API is used; no zeros.
        live_streams: sockets that are spoken into all the time, beside the level.
        live: how often each socket API is used.
        lengths: seconds of audio of the built-in recordings, and how often each is sent.
        callers: see Caller.
        keeps_retry_after: a refused caller comes back when the service said, else after a second.
        timeout_s: an answer, and the webhook of a job, must come within it.
    """

    levels: tuple[float, ...]
    arrivals: Arrivals
    step_s: float
    files: dict[FileApi, int]
    live_streams: int
    live: dict[LiveApi, int]
    lengths: dict[float, int]
    callers: tuple[Caller, ...]
    keeps_retry_after: bool
    timeout_s: float
    seed: int = 1

    @property
    def settle_s(self) -> float:
        """How long the start of a step is left out of its figures: all callers begin at once, with empty queues."""
        return self.step_s / 5

    def check(self) -> None:
        """Raise PlanError where the parts do not fit together."""
        if self.arrivals is Arrivals.CLOSED and any(level != round(level) for level in self.levels):
            raise PlanError("callers come in whole numbers; with --arrivals open a level is a rate")
        if not self.files and not self.live_streams:
            raise PlanError("there is nothing to do: neither --files nor --live-streams")
        if self.live_streams and not self.live:
            raise PlanError("--live-streams needs an API in --live")


class Deck(Generic[T]):
    """Deals items at random, but each of them exactly as often as its weight within a round.

    Dice would give one step more long recordings than another, and its latencies would differ for that alone.
    """

    def __init__(self, weights: Sequence[tuple[T, int]], rng: random.Random) -> None:
        """Weights are at least 1, and there is an item."""
        if not weights or any(weight < 1 for _, weight in weights):
            raise ValueError("a deck needs items with weights of 1 or more")
        self._cards = [item for item, weight in weights for _ in range(weight)]
        self._rng = rng
        self._left: list[T] = []

    def deal(self) -> T:
        """The next item."""
        if not self._left:
            self._left = self._rng.sample(self._cards, len(self._cards))
        return self._left.pop()


def parse_levels(text: str) -> tuple[float, ...]:
    """``1,2,4``.

    Raises:
        PlanError: not numbers above 0.
    """
    return tuple(_number(part, "a level") for part in text.split(","))


def parse_lengths(text: str) -> dict[float, int]:
    """``2:8,60:4``: seconds of audio and weights, which may be left out.

    Raises:
        PlanError: not that.
    """
    pairs = [(_number(name, "a length"), weight) for name, weight in _weighted(text) if weight]
    if not pairs or len(dict(pairs)) < len(pairs):
        raise PlanError(f"{text!r}: every length once, and at least one with a weight")
    return dict(pairs)


def parse_files(text: str) -> dict[FileApi, int]:
    """``listen:3,job``: APIs and weights; an API that is not there, or has the weight 0, is not used.

    Raises:
        PlanError: an API that there is not, or a weight that is none.
    """
    return {FileApi(name): weight for name, weight in _known(text, [api.value for api in FileApi])}


def parse_live(text: str) -> dict[LiveApi, int]:
    """As parse_files, for sockets."""
    return {LiveApi(name): weight for name, weight in _known(text, [api.value for api in LiveApi])}


def poisson_times_s(rate_hz: float, start_s: float, end_s: float, rng: random.Random) -> Iterator[float]:
    """Moments between start and end at which independent callers come."""
    at_s = start_s + rng.expovariate(rate_hz)
    while at_s < end_s:
        yield at_s
        at_s += rng.expovariate(rate_hz)


def _known(text: str, names: Sequence[str]) -> list[tuple[str, int]]:
    pairs = _weighted(text)
    for name, _ in pairs:
        if name not in names:
            raise PlanError(f"{name!r} is not one of {', '.join(names)}")
    if any(first == second for (first, _), (second, _) in itertools.combinations(pairs, 2)):
        raise PlanError(f"{text!r}: every API once")
    return [(name, weight) for name, weight in pairs if weight]


def _weighted(text: str) -> list[tuple[str, int]]:
    pairs = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, separator, weight = part.partition(":")
        if separator and not (weight.isascii() and weight.isdigit() and len(weight) <= 4):
            raise PlanError(f"{part!r}: the weight behind the colon must be a whole number")
        pairs.append((name, int(weight) if separator else 1))
    return pairs


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise PlanError(f"{text.strip()!r} is not {what}: give a number above 0")
    return value
