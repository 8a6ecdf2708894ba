"""Reports say which promise was broken, and fit on a page of Markdown."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from load_tests.drills.__main__ import app
from load_tests.drills.endings import Attempt, Ending, JobCount, impact_of
from load_tests.drills.failures import Drill, all_faults, drill_table, faults_named
from load_tests.drills.pages import save_page
from load_tests.drills.upgrade import Rollout, rollout_table, updates
from load_tests.hardware import read_hardware
from load_tests.report import Report

pytestmark = pytest.mark.unit

ATTEMPTS = (
    Attempt("/v1/listen", 0.0, 2.0, Ending.ANSWERED, "200"),
    Attempt("live", 0.0, 3.0, Ending.TOLD, "1012 SERVICE_UNAVAILABLE"),
    Attempt("/stt", 1.0, 1.5, Ending.FAILED, "500"),
)
NO_JOBS = JobCount(accepted=2, completed=2, failed=0, repeated=0)


def rollout(attempts: tuple[Attempt, ...], jobs: JobCount = NO_JOBS, leases: int = 0) -> Rollout:
    return Rollout(updates()[0], 9, 30.0, attempts, impact_of(attempts, 0.5), 0, jobs, leases)


def test_a_rolling_update_may_move_sessions_but_fail_nothing() -> None:
    assert rollout(ATTEMPTS[:2]).broken_promises == []
    lost = JobCount(accepted=2, completed=1, failed=0, repeated=0)
    assert rollout(ATTEMPTS, lost, leases=1).broken_promises == [
        "setting 1: 1 attempts failed",
        "setting 1: 1 jobs were lost",
        "setting 1: 1 leases were left",
    ]


def test_a_fault_may_fail_requests_but_must_be_survived() -> None:
    fault = all_faults()[0]
    impact = impact_of(ATTEMPTS, 0.5)
    assert Drill(fault, ATTEMPTS, impact, 8.0, 0, NO_JOBS, 0, 9).broken_promises == []
    assert Drill(fault, ATTEMPTS, impact, None, 0, NO_JOBS, 0, 9).broken_promises == [
        "Ingress: not all replicas came back"
    ]


def test_the_report_is_a_page_that_names_what_was_not_answered(tmp_path: Path) -> None:
    impact = impact_of(ATTEMPTS, 0.5)
    report = Report("drill-failures", read_hardware())
    report.tables.append(drill_table([Drill(all_faults()[0], ATTEMPTS, impact, 8.0, 0, NO_JOBS, 0, 9)]))
    report.tables.append(rollout_table([rollout(ATTEMPTS)]))
    page = save_page(report, tmp_path).read_text()
    assert "| Ingress | 3 | 1 | 1 | 1 |" in page
    assert "1 × /stt 500, 1 × live 1012 SERVICE_UNAVAILABLE" in page
    assert page.count("\n## ") == 2


def test_every_deployment_is_killed_once() -> None:
    names = [fault.name for fault in all_faults()]
    assert len(set(names)) == len(names)


def test_a_fault_that_does_not_exist_is_told_with_those_that_do() -> None:
    assert [fault.name for fault in faults_named(["node", "Decoder"])] == ["Decoder", "node"]
    with pytest.raises(ValueError, match=r"no such fault: Recogniser\. There are: Ingress, .*Recognizer"):
        faults_named(["Decoder", "Recogniser"])


def test_a_misspelt_fault_ends_the_drill_before_a_cluster_starts(tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["failures", "--only", "Recogniser", "--results", str(tmp_path)])
    assert run.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_where_replicas_work_on_probes_must_say_so() -> None:
    controller = next(fault for fault in all_faults() if fault.name == "controller")
    impact = impact_of(ATTEMPTS, 0.5)
    assert Drill(controller, ATTEMPTS, impact, 8.0, 0, NO_JOBS, 0, 0).broken_promises == []
    assert Drill(controller, ATTEMPTS, impact, 8.0, 0, NO_JOBS, 0, 2).broken_promises == [
        "controller: 2 probes were not answered with ready"
    ]
