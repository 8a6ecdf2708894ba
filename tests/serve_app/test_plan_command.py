from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from serve_app.cli import app
from serve_app.planning.costs import Costs, Stage, costs_json
from tests.serve_app.planning.some_costs import COSTS

pytestmark = pytest.mark.unit


@pytest.fixture
def costs(tmp_path: Path) -> Path:
    return _file(tmp_path, COSTS)


def _file(folder: Path, costs: Costs) -> Path:
    path = folder / "costs.json"
    path.write_text(costs_json(costs))
    return path


def _plan(*options: str) -> Result:
    # Few recordings of few seconds each: a simulation of ten thousand of them is soon done.
    load = ("--audio-hours-per-day", "1", "--peak", "2", "--lengths", "5:1")
    return CliRunner().invoke(app, ["plan", *load, *options])


def test_a_plan_for_people(costs: Path) -> None:
    result = _plan("--profile", "some", "--costs", str(costs), "--price-cpu-hour", "0.04", "--price-gpu-hour", "2")
    assert result.exit_code == 0
    for said in ("Recognizer", "p95 s", "about 5 s", "CPUs: 1,", "Cost a day: 0.96", "measured on: paper"):
        assert said in result.stdout
    assert "slice" not in result.stdout
    assert "GPUs" not in result.stdout


def test_a_plan_for_programs(costs: Path) -> None:
    result = _plan("--profile", "some", "--costs", str(costs), "--json", "--latency-target", "30", "--diarized", "1")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["target_p95_s"] == 30
    assert told["latency_s"]["p50"] <= told["latency_s"]["p95"] <= 30
    assert {stage["stage"]: stage["replicas"] for stage in told["stages"]}[Stage.DIARIZER] == 1
    assert told["requests_per_s"]["peak"] == pytest.approx(2 * 3600 / 5 / 86_400)
    assert told["cost"] is None


def test_a_profile_that_nobody_measured_is_not_guessed() -> None:
    result = _plan("--profile", "gpu")
    assert result.exit_code == 1
    assert "python -m load_tests.stage_costs --config configs/gpu.yaml" in result.stderr
    assert result.stdout == ""


def test_costs_of_another_profile(costs: Path) -> None:
    result = _plan("--profile", "gpu", "--costs", str(costs))
    assert result.exit_code == 1
    assert "costs of the profile 'some', not of 'gpu'" in result.stderr


def test_a_file_that_is_not_there() -> None:
    result = _plan("--costs", "none.json")
    assert result.exit_code == 1
    assert result.stderr == "Cannot read none.json: No such file or directory\n"


def test_speakers_without_costs_of_a_diarizer(tmp_path: Path) -> None:
    stages = tuple(cost for cost in COSTS.stages if cost.stage is not Stage.DIARIZER)
    path = _file(tmp_path, replace(COSTS, stages=stages))
    result = _plan("--profile", "some", "--costs", str(path), "--diarized", "0.5")
    assert result.exit_code == 1
    assert "no Diarizer" in result.stderr


def test_a_target_that_nothing_meets(costs: Path) -> None:
    result = _plan("--profile", "some", "--costs", str(costs), "--latency-target", "0.001")
    assert result.exit_code == 1
    assert "no number of replicas" in result.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--peak", "0.5"),
        ("--peak", "30"),
        ("--peak", "nan"),
        ("--lengths", "10"),
        ("--lengths", "ten:1"),
        ("--lengths", "10:1,10:2"),
        ("--latency-target", "0"),
        ("--audio-hours-per-day", "0"),
        ("--audio-hours-per-day", "inf"),
        ("--diarized", "2"),
        ("--diarized", "nan"),
        ("--latency-target", "nan"),
        ("--price-cpu-hour", "-1"),
    ],
)
def test_a_wrong_option_is_named(option: str, value: str) -> None:
    result = _plan(option, value)
    assert result.exit_code == 2
    assert option in result.stderr
