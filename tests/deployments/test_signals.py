from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments import signal_table
from deployments.errors import RateLimitReached, RayscribeError
from deployments.memory_shortages import ShortageCount
from deployments.offload import EngineThreads
from deployments.signal_table import STAGE_BUSY, STAGE_QUEUE, STAGE_WORK
from deployments.signals import Counter, Gauge, Histogram, failure_label
from deployments.stage_times import stage_times
from tests.fakes.signals import RecordedSignals

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
FROM_RAY = {"application", "deployment", "replica"}


def declared() -> Iterator[Counter | Gauge | Histogram]:
    return (value for value in vars(signal_table).values() if isinstance(value, Counter | Gauge | Histogram))


def exported(series: Counter | Gauge | Histogram) -> str:
    return f"ray_{series.name}_total" if isinstance(series, Counter) else f"ray_{series.name}"


def test_names_are_prometheus_names_and_given_once() -> None:
    names = [series.name for series in declared()]
    assert len(names) > 20
    assert len(set(names)) == len(names)
    for series in declared():
        assert re.fullmatch(r"rayscribe_[a-z]+(_[a-z]+)*", series.name)
        assert not series.name.endswith(("_total", "_count", "_sum", "_bucket"))
        assert not FROM_RAY & set(series.labels)


def test_buckets_ascend_from_above_nothing() -> None:
    for series in declared():
        if isinstance(series, Histogram):
            assert series.buckets[0] > 0
            assert list(series.buckets) == sorted(set(series.buckets))


def test_the_page_explains_every_series_and_no_other() -> None:
    page = PAGE.read_text()
    rows = dict(re.findall(r"^\| `(ray_rayscribe_\w+)` (\|.*)$", page, re.MULTILINE))
    for series in declared():
        kind, labels, _ = rows.pop(exported(series)).strip("|").split("|", 2)
        assert kind.strip() == type(series).__name__.lower()
        assert tuple(re.findall(r"`(\w+)`", labels)) == series.labels
    assert rows == {}


def test_the_page_has_the_buckets() -> None:
    of_series = {}
    for names, bounds in re.findall(r"^\| (`[\w`, ]+`) \| ([\d., ]+) \|$", PAGE.read_text(), re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            of_series[f"rayscribe_{name}"] = tuple(float(bound) for bound in bounds.split(","))
    assert of_series == {series.name: series.buckets for series in declared() if isinstance(series, Histogram)}


def test_queries_on_the_page_ask_for_what_there_is() -> None:
    asked = set(re.findall(r"ray_rayscribe_\w+", PAGE.read_text()))
    known = {exported(series) + end for series in declared() for end in ("", "_bucket", "_count", "_sum")}
    assert asked <= known


def test_an_error_of_ours_is_named_by_its_class_and_no_other() -> None:
    assert failure_label(RateLimitReached(5, 1.0)) == "rate_limit_reached"
    assert failure_label(RayscribeError("rs_a-key")) == "rayscribe_error"
    assert failure_label(asyncio.CancelledError()) == "cancelled"
    assert failure_label(KeyError("rs_a-key")) == "internal_error"


async def test_a_call_that_fails_counts_as_work_and_one_that_waits_as_waiting() -> None:
    signals, times_s = RecordedSignals(), iter([10.0, 12.0, 15.0])
    threads = EngineThreads(1, stage_times(signals, "decode", "decode"), clock=lambda: next(times_s))
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda _: 1 / 0)
    assert signals.observed(STAGE_QUEUE, "decode", "decode") == [2.0]
    assert signals.observed(STAGE_WORK, "decode", "decode") == [3.0]
    assert signals.counted(STAGE_BUSY, "decode", "decode") == 3.0


def test_shortages_of_memory_are_told_once() -> None:
    shortages = ShortageCount()
    shortages.add()
    shortages.add()
    assert (shortages.take(), shortages.take()) == (2, 0)
