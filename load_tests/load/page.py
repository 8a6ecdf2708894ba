"""The report as one HTML page that needs nothing else: charts over the levels, and every table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from load_tests.load.load_report import LoadReport, knee_line, level_name, tables_of
from load_tests.load.summary import StepFigures
from load_tests.report import Column, Table, shown

_TEMPLATES = Path(__file__).parent
_WIDTH, _HEIGHT, _MARGIN = 460.0, 220.0, 44.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a chart in its pixels, and the words beside it."""

    x: float
    y: float
    level: str
    value: str
    is_knee: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A line over the levels, which lie on a logarithmic axis. ``path`` is the ``points`` of an SVG polyline."""

    title: str
    marks: tuple[Mark, ...]
    width: float = _WIDTH
    height: float = _HEIGHT
    margin: float = _MARGIN

    @property
    def path(self) -> str:
        """All points."""
        return " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks)


def page(report: LoadReport) -> str:
    """The page."""
    # Reasons come from the service, and names from a file: neither may become markup.
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2").render(
        report=report,
        knee=knee_line(report),
        level=level_name(report.plan.arrivals),
        charts=[chart for chart in _charts(report) if chart.marks],
        tables=[*tables_of(report), *(_step_table(step, report) for step in report.steps if step.files)],
        shown=shown,
    )


def _charts(report: LoadReport) -> list[Chart]:
    steps = report.steps
    finals = [max((row.final.p95_s or 0.0 for row in step.live), default=0.0) or None for step in steps]
    knee = None if report.knee is None else report.knee.level
    return [
        chart("Seconds of audio a second", [(step.level, step.audio_s_per_s) for step in steps], knee),
        chart("p95 of recordings, s", [(step.level, step.latency.p95_s) for step in steps], knee),
        chart("p95 of live finals, s", [(step.level, value) for step, value in zip(steps, finals, strict=True)], knee),
        chart("Refused", [(step.level, float(sum(count.count for count in step.refused))) for step in steps], knee),
    ]


def chart(title: str, values: Sequence[tuple[float, float | None]], knee: float | None) -> Chart:
    """From levels above 0 and what was measured there; None is left out."""
    known = sorted((level, value) for level, value in values if value is not None)
    if not known:
        return Chart(title, ())
    lowest, highest = math.log2(known[0][0]), math.log2(known[-1][0])
    most = max(value for _, value in known) or 1.0
    marks = []
    for level, value in known:
        along = (math.log2(level) - lowest) / (highest - lowest) if highest > lowest else 0.5
        x = _MARGIN + along * (_WIDTH - 2 * _MARGIN)
        y = _HEIGHT - _MARGIN - value / most * (_HEIGHT - 2 * _MARGIN)
        marks.append(Mark(x, y, f"{level:g}", f"{value:.3g}", is_knee=level == knee))
    return Chart(title, tuple(marks))


def _step_table(step: StepFigures, report: LoadReport) -> Table:
    return Table(
        f"{step.level:g} {level_name(report.plan.arrivals)}: latency of recordings",
        (
            Column("API"),
            Column("recordings"),
            Column("done"),
            Column("p50 s", digits=3),
            Column("p90 s", digits=3),
            Column("p95 s", digits=3),
            Column("p99 s", digits=3),
            Column("longest s", digits=3),
        ),
        tuple(
            (
                row.api,
                row.length,
                row.done,
                row.latency.p50_s,
                row.latency.p90_s,
                row.latency.p95_s,
                row.latency.p99_s,
                row.latency.longest_s,
            )
            for row in step.files
        ),
    )
