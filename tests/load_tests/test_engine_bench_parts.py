from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from load_tests.engine_bench_parts import Clock, Part, PartOf, Stopwatch, timed_parts

pytestmark = pytest.mark.unit


@dataclass
class Time:
    """Passes when it is told to."""

    now_s: float = 0.0
    waits: int = 0

    def clock(self) -> Clock:
        return Clock(lambda: self.now_s, self._wait)

    def _wait(self) -> None:
        self.waits += 1


@dataclass
class Engine:
    time: Time = field(default_factory=Time)

    def transcribe(self) -> str:
        self.time.now_s += 1.0
        heard = self.features("speech")
        self.time.now_s += 4.0
        return heard

    def features(self, samples: str) -> str:
        self.time.now_s += 2.0
        heard = self.encode(samples=samples)
        self.time.now_s += 0.5
        return heard

    def encode(self, samples: str) -> str:
        self.time.now_s += 8.0
        if samples == "noise":
            raise ValueError(samples)
        return f"encoded {samples}"


def parts_of(engine: Engine) -> list[PartOf]:
    return [PartOf(engine, "features", Part.FEATURES), PartOf(engine, "encode", Part.ENCODER)]


def test_a_part_counts_without_the_parts_inside_it_and_the_rest_is_the_host() -> None:
    engine = Engine()
    stopwatch = Stopwatch(engine.time.clock())
    with timed_parts(parts_of(engine), stopwatch):
        assert engine.transcribe() == "encoded speech"
    assert stopwatch.spent_s == {
        Part.FEATURES: 2.5,
        Part.ENCODER: 8.0,
        Part.DECODER: 0.0,
        Part.ALIGNMENT: 0.0,
        Part.HOST: 5.0,
    }


def test_the_device_is_waited_for_where_a_part_begins_and_ends() -> None:
    engine = Engine()
    with timed_parts(parts_of(engine), Stopwatch(engine.time.clock())):
        engine.transcribe()
    # The whole, and two parts.
    assert engine.time.waits == 6


def test_afterwards_the_engine_is_as_it_was() -> None:
    engine = Engine()
    before = dict(vars(engine))
    with (
        pytest.raises(ValueError, match="noise"),
        timed_parts(parts_of(engine), Stopwatch(engine.time.clock())),
    ):
        engine.features("noise")
    assert vars(engine) == before


def test_an_attribute_of_the_object_itself_comes_back() -> None:
    engine = Engine()
    own = engine.encode
    vars(engine)["encode"] = own
    with timed_parts(parts_of(engine), Stopwatch(engine.time.clock())):
        engine.transcribe()
    assert vars(engine)["encode"] is own


def test_what_stands_for_a_part_has_its_attributes() -> None:
    engine = Engine()
    with timed_parts([PartOf(engine, "time", Part.HOST)], Stopwatch(engine.time.clock())):
        assert engine.time.now_s == 0.0


def test_a_part_that_the_engine_no_longer_has_is_an_error() -> None:
    engine = Engine()
    with (
        pytest.raises(AttributeError, match="decode"),
        timed_parts([PartOf(engine, "decode", Part.DECODER)], Stopwatch(engine.time.clock())),
    ):
        engine.transcribe()
