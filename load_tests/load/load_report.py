"""What a run found, as JSON and as tables."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from load_tests.hardware import Hardware
from load_tests.load.knee import Knee, LoadPoint, find_knee
from load_tests.load.observations import FileCall, LiveCall, Outcome
from load_tests.load.plan import Arrivals, Plan
from load_tests.load.summary import Count, StepFigures
from load_tests.report import Cell, Column, Table

SCHEMA = 1
"""Raised where a field changes its meaning or goes away."""

_SHOWN_REASONS = 12


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What was asked for, without keys. See load_tests.load.plan.Plan."""

    server: str
    levels: tuple[float, ...]
    arrivals: str
    step_s: float
    settle_s: float
    files: dict[str, int]
    live_streams: int
    live: dict[str, int]
    recordings: dict[str, int]
    keeps_retry_after: bool
    timeout_s: float


@dataclass(frozen=True, slots=True)
class CallerFigures:
    """All calls of one key, files and sockets."""

    name: str
    done: int
    refused: int
    failed: int


@dataclass(frozen=True, slots=True)
class WebhookFigures:
    """Jobs that were accepted, and what came of them; ``late``: behind the time limit; ``repeated``: more than once."""

    accepted: int
    delivered: int
    late: int
    repeated: int


@dataclass(frozen=True, slots=True)
class LoadReport:
    """A run. docs/load.md describes the JSON."""

    hardware: Hardware
    plan: PlanFacts
    steps: tuple[StepFigures, ...]
    knee: Knee | None
    callers: tuple[CallerFigures, ...]
    webhooks: WebhookFigures
    skipped: tuple[str, ...]
    is_whole: bool
    program: str = "load"
    schema: int = SCHEMA

    @property
    def failures(self) -> int:
        """Calls that failed, over all steps."""
        return sum(count.count for step in self.steps for count in step.failed)

    @property
    def stem(self) -> str:
        """The name of its files."""
        return f"{self.program}-{self.hardware.measured_at.replace('-', '').replace(':', '')}"

    def as_json(self) -> str:
        """All of it."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def save(self, folder: Path) -> Path:
        """Write ``<folder>/load-<time>.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.stem}.json"
        path.write_text(self.as_json(), encoding="utf-8")
        return path


def plan_facts(server: str, plan: Plan, recordings: dict[str, int]) -> PlanFacts:
    """For the report; ``recordings`` says how many of twenty, or of a folder, are in each class of lengths."""
    return PlanFacts(
        server=server,
        levels=plan.levels,
        arrivals=plan.arrivals.value,
        step_s=plan.step_s,
        settle_s=plan.settle_s,
        files={api.value: weight for api, weight in plan.files.items()},
        live_streams=plan.live_streams,
        live={api.value: weight for api, weight in plan.live.items()},
        recordings=recordings,
        keeps_retry_after=plan.keeps_retry_after,
        timeout_s=plan.timeout_s,
    )


def knee_of(steps: Sequence[StepFigures]) -> Knee | None:
    """Over the steps in which recordings were transcribed."""
    points = [(step, step.latency.p95_s) for step in steps]
    return find_knee([LoadPoint(step.level, step.audio_s_per_s, p95_s) for step, p95_s in points if p95_s is not None])


def caller_figures(names: Sequence[str], calls: Sequence[FileCall | LiveCall]) -> tuple[CallerFigures, ...]:
    """In the order of the names."""
    outcomes = {name: [call.outcome for call in calls if call.caller == name] for name in names}
    return tuple(
        CallerFigures(name, *(found.count(outcome) for outcome in (Outcome.DONE, Outcome.REFUSED, Outcome.FAILED)))
        for name, found in outcomes.items()
    )


def webhook_figures(calls: Sequence[FileCall], late: int, repeated: int) -> WebhookFigures:
    """Of the jobs among the calls."""
    accepted = [call for call in calls if call.accepted_s is not None]
    return WebhookFigures(
        len(accepted), sum(call.outcome is Outcome.DONE for call in accepted), late=late, repeated=repeated
    )


def level_name(arrivals: str) -> str:
    """What a level counts."""
    return "calls/s" if arrivals == Arrivals.OPEN else "callers"


def tables_of(report: LoadReport) -> list[Table]:
    """For people: the steps, latencies at the knee, sockets, processors, callers, and what did not go well."""
    tables = [_steps_table(report), _live_table(report), _files_table(report), _cores_table(report)]
    if len(report.callers) > 1:
        tables.append(_callers_table(report))
    refused = _merged(count for step in report.steps for count in step.refused)
    failed = _merged(count for step in report.steps for count in step.failed)
    tables += [_counts_table("Refused", refused), _counts_table("Failed", failed)]
    return [table for table in tables if table.rows]


def knee_line(report: LoadReport) -> str:
    """The knee in a sentence."""
    knee = report.knee
    if knee is None:
        return "No recording was transcribed: there is no knee."
    found = f"{knee.throughput:.1f} s of audio a second with a p95 of {knee.p95_s:.2f} s"
    name = level_name(report.plan.arrivals)
    at = "Knee" if knee.is_bounded else "No knee found; the highest level"
    return f"{at}: {knee.level:g} {name}, {found} ({knee.why}). Rule: {knee.rule}."


def _steps_table(report: LoadReport) -> Table:
    return Table(
        f"By {level_name(report.plan.arrivals)}",
        (
            Column(level_name(report.plan.arrivals)),
            Column("audio s/s"),
            Column("recordings/s", digits=2),
            Column("done"),
            Column("p50 s", digits=2),
            Column("p90 s", digits=2),
            Column("p95 s", digits=2),
            Column("p99 s", digits=2),
            Column("refused"),
            Column("failed"),
            Column("live finals p95 s", digits=2),
            Column("service cores", digits=2),
            Column("others' cores", digits=2),
            Column("drained in s"),
        ),
        tuple(
            (
                f"{step.level:g}",
                step.audio_s_per_s,
                step.requests_per_s,
                step.done,
                step.latency.p50_s,
                step.latency.p90_s,
                step.latency.p95_s,
                step.latency.p99_s,
                sum(count.count for count in step.refused),
                sum(count.count for count in step.failed),
                max((row.final.p95_s for row in step.live if row.final.p95_s is not None), default=None),
                *_cores_cells(step),
                step.drain_s,
            )
            for step in report.steps
        ),
        knee_line(report),
    )


def _cores_cells(step: StepFigures) -> tuple[Cell, Cell]:
    if step.cores is None:
        return None, None
    return step.cores.service, max(step.cores.busy - step.cores.service - step.cores.client, 0.0)


def _live_table(report: LoadReport) -> Table:
    return Table(
        "Sockets",
        (
            Column(level_name(report.plan.arrivals)),
            Column("API"),
            Column("sessions"),
            Column("utterances"),
            Column("ends missed"),
            Column("first text p50 s", digits=2),
            Column("p95 s", digits=2),
            Column("finals p50 s", digits=2),
            Column("p95 s", digits=2),
        ),
        tuple(
            (
                f"{step.level:g}",
                row.api,
                row.sessions,
                row.utterances,
                row.missed,
                row.first.p50_s,
                row.first.p95_s,
                row.final.p50_s,
                row.final.p95_s,
            )
            for step in report.steps
            for row in step.live
        ),
        "finals: from the true end of an utterance, waiting for the silence that ends it included.",
    )


def _files_table(report: LoadReport) -> Table:
    level = None if report.knee is None else report.knee.level
    steps = [step for step in report.steps if step.level == level]
    return Table(
        f"Latency at {level or 0:g} {level_name(report.plan.arrivals)}, from when a call was due",
        (
            Column("API"),
            Column("recordings"),
            Column("done"),
            Column("without text"),
            Column("p50 s", digits=2),
            Column("p90 s", digits=2),
            Column("p95 s", digits=2),
            Column("p99 s", digits=2),
        ),
        tuple(
            (
                row.api,
                row.length,
                row.done,
                row.without_text,
                row.latency.p50_s,
                row.latency.p90_s,
                row.latency.p95_s,
                row.latency.p99_s,
            )
            for step in steps[-1:]
            for row in step.files
        ),
        "A job counts until its webhook came.",
    )


def _cores_table(report: LoadReport) -> Table:
    measured = [(step, step.cores) for step in report.steps if step.cores is not None]
    last = measured[-1][1].by_process if measured else {}
    return Table(
        f"Cores in use, by {level_name(report.plan.arrivals)}",
        (Column("process"), *(Column(f"{step.level:g}", digits=2) for step, _ in measured)),
        tuple(
            (label, *(cores.by_process.get(label, 0.0) for _, cores in measured))
            for label in sorted(last, key=lambda label: -last[label])
        ),
    )


def _callers_table(report: LoadReport) -> Table:
    return Table(
        "By key",
        (Column("caller"), Column("done"), Column("refused"), Column("failed")),
        tuple((caller.name, caller.done, caller.refused, caller.failed) for caller in report.callers),
    )


def _counts_table(title: str, counts: Sequence[Count]) -> Table:
    shown = counts[:_SHOWN_REASONS]
    more = len(counts) - len(shown)
    return Table(
        title,
        (Column("count"), Column("API"), Column("caller"), Column("reason")),
        tuple((count.count, count.api, count.caller, count.reason) for count in shown),
        f"and {more} more kinds, which the JSON has" if more else "",
    )


def _merged(counts: Iterable[Count]) -> list[Count]:
    """Over all steps, the most frequent first."""
    total: Counter[tuple[str, str, str]] = Counter()
    for count in counts:
        total[count.api, count.caller, count.reason] += count.count
    return [Count(*what, number) for what, number in total.most_common()]
