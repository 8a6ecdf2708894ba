from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from load_tests.hardware import Hardware
from load_tests.load.load_report import (
    LoadReport,
    caller_figures,
    knee_line,
    knee_of,
    plan_facts,
    tables_of,
    webhook_figures,
)
from load_tests.load.observations import FileCall, LiveCall, Outcome
from load_tests.load.page import chart, page
from load_tests.load.plan import Caller, FileApi, LiveApi
from load_tests.load.steps import Step
from load_tests.load.summary import Cores, figures_of
from tests.load_tests.load.some_calls import call
from tests.load_tests.load.some_plan import plan

pytestmark = pytest.mark.unit

HARDWARE = Hardware("CPU", 2, 24.0, "Linux", "3.11", "1", "0.1", "abc", "2026-11-21T12:00:00Z", 1.5)
CALLS = [
    call(3, 4),
    call(5, 6, length="longer", audio_s=240.0),
    call(5, 5.1, caller="<b>small</b>", outcome=Outcome.REFUSED, reason="HTTP 429 <script>"),
    call(4, 8, api=FileApi.JOB, accepted_s=4.5),
    call(23, 24, step=1),
    call(24, 25, step=1, outcome=Outcome.FAILED, reason="HTTP 500 INTERNAL_ERROR"),
]
SESSIONS = [LiveCall(0, LiveApi.WAVES, "all", 8.0, 1, 9, Outcome.DONE)]


def report() -> LoadReport:
    steps = [Step(1.0, 0, 10, 12), Step(4.0, 20, 30, 31)]
    cores = Cores({"Recognizer": 0.75, "proxy": 0.25}, 0.1, 1.9)
    figures = tuple(
        figures_of(index, step, 2.0, CALLS, SESSIONS, cores if index else None) for index, step in enumerate(steps)
    )
    planned = plan(callers=(Caller("all", "rs_secret"), Caller("<b>small</b>", "rs_other")))
    return LoadReport(
        hardware=HARDWARE,
        plan=plan_facts("http://127.0.0.1:7100", planned, {"up to 5 s": 8}),
        steps=figures,
        knee=knee_of(figures),
        callers=caller_figures([caller.name for caller in planned.callers], [*CALLS, *SESSIONS]),
        webhooks=webhook_figures(CALLS, late=0, repeated=2),
        skipped=("url: & why",),
        is_whole=True,
    )


def test_one_run_is_one_file_that_says_what_docs_promise(tmp_path: Path) -> None:
    path = report().save(tmp_path / "results")
    assert path.name == "load-20261121T120000Z.json"
    text = path.read_text()
    assert "rs_secret" not in text
    content = json.loads(text)
    assert (content["program"], content["schema"], content["is_whole"]) == ("load", 1, True)
    assert content["hardware"]["cores"] == 2
    assert content["plan"]["files"]["listen"] == 3
    assert content["knee"]["level"] == 1.0
    assert content["webhooks"] == {"accepted": 1, "delivered": 1, "late": 0, "repeated": 2}
    assert content["callers"][0] == {"name": "all", "done": 5, "refused": 0, "failed": 1}
    first, second = content["steps"]
    assert first["refused"] == [{"api": "listen", "caller": "<b>small</b>", "reason": "HTTP 429 <script>", "count": 1}]
    assert first["files"][0].keys() == {"api", "length", "done", "without_text", "latency"}
    assert first["live"][0]["api"] == "waves-live"
    assert first["cores"] is None
    assert second["cores"]["by_process"] == {"Recognizer": 0.75, "proxy": 0.25}
    assert report().failures == 1


def test_fields_are_those_of_the_documented_schema() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "load.md").read_text()
    content = json.loads(report().as_json())
    step = content["steps"][0]
    names = [
        *content,
        *content["plan"],
        *content["knee"],
        *content["webhooks"],
        *step,
        *step["files"][0],
        *step["live"][0],
    ]
    assert [name for name in names if f"`{name}`" not in documented] == []


def test_tables_show_steps_and_reasons() -> None:
    tables = {table.title: table for table in tables_of(report())}
    steps = tables["By callers"]
    assert [row[0] for row in steps.rows] == ["1", "4"]
    assert steps.rows[1][11] == pytest.approx(1.0)
    assert steps.rows[1][12] == pytest.approx(0.8)
    assert tables["Refused"].rows == ((1, "listen", "<b>small</b>", "HTTP 429 <script>"),)
    assert tables["Failed"].rows == ((1, "listen", "all", "HTTP 500 INTERNAL_ERROR"),)
    assert [row[0] for row in tables["By key"].rows] == ["all", "<b>small</b>"]


def test_a_run_without_recordings_has_no_knee() -> None:
    empty = replace(report(), steps=(), knee=None)
    assert "no knee" in knee_line(empty)
    assert tables_of(empty)
    assert "no knee" in page(empty)


def test_the_page_has_the_figures_and_nothing_becomes_markup() -> None:
    written = page(report())
    assert knee_line(report())[:10] in written
    assert "HTTP 429 &lt;script&gt;" in written
    assert "<b>small" not in written
    assert "url: &amp; why" in written
    assert written.count("<polyline") == 3
    assert "http" not in written.split("<h1>")[0]


def test_a_chart_lies_inside_its_frame() -> None:
    drawn = chart("p95", [(1, 2.0), (64, 0.0), (8, None), (4, 1.0)], 4)
    assert [mark.level for mark in drawn.marks] == ["1", "4", "64"]
    assert [mark.is_knee for mark in drawn.marks] == [False, True, False]
    assert all(0 <= mark.x <= drawn.width and 0 <= mark.y <= drawn.height for mark in drawn.marks)
    assert drawn.marks[0].x < drawn.marks[1].x < drawn.marks[2].x
    assert chart("one", [(0.25, 0.0)], None).marks[0].x == drawn.width / 2
    assert chart("none", [(1, None)], None).marks == ()


def test_a_job_that_was_accepted_and_not_delivered_is_seen() -> None:
    lost = call(1, 6, api=FileApi.JOB, accepted_s=1.5, outcome=Outcome.FAILED, reason="no webhook")
    assert isinstance(lost, FileCall)
    found = webhook_figures([lost, call(1, 2)], late=1, repeated=0)
    assert (found.accepted, found.delivered, found.late) == (1, 0, 1)
