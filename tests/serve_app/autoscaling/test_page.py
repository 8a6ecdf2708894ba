"""docs/autoscaling.md says what the configs and the policies do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from load_tests.autoscaling_simulation import Settings, settings_of
from serve_app.autoscaling import policies

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "autoscaling.md").read_text()


def scaled(config: str) -> dict[str, Settings]:
    applications = yaml.safe_load((ROOT / "configs" / f"{config}.yaml").read_text())["applications"]
    found: dict[str, dict[str, Any]] = {
        one["name"]: one["autoscaling_config"] for one in applications[0]["deployments"] if "autoscaling_config" in one
    }
    return {
        name: settings_of(getattr(policies, one["policy"]["policy_function"].rpartition(":")[2]), one)
        for name, one in found.items()
    }


def test_the_bounds_on_the_page_are_those_of_the_configs() -> None:
    on_page = {}
    for row in re.findall(r"^\| ([\w, ]+) \| ((?:[^|\n]*\|){4})$", PAGE, re.MULTILINE):
        cells = [cell.strip() for cell in row[1].split("|")[:4]]
        for stage in row[0].split(", "):
            on_page[stage] = cells
    del on_page["stage"]
    for column, config in ((0, "kuberay-cpu"), (2, "kuberay-gpu")):
        told = {
            stage: (f"{one.reaction_s:g} s", f"{one.scaling.down_after_s / 60:g} min")
            for stage, one in scaled(config).items()
        }
        assert told == {stage: tuple(cells[column : column + 2]) for stage, cells in on_page.items() if cells[column]}


def test_the_page_has_every_parameter_and_its_default() -> None:
    rows = dict(re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]*) \|", PAGE, re.MULTILINE))
    on_page = {name for names in rows for name in re.findall(r"`(\w+)`", names)}
    every = (policies.Connections, policies.Cpu, policies.Queue, policies.Batches)
    assert on_page == {name for policy in every for name in policy.scaling.model_fields}
    assert rows["`down_after_s`"] == f"{policies.Queue.scaling().down_after_s:g}"
    for policy, told in ((policies.Queue, "60"), (policies.Cpu, "10 of `Cpu`"), (policies.Batches, "30 of `Batches`")):
        assert told in rows["`drain_s`"]
        assert told.split()[0] == f"{policy.scaling.model_fields['drain_s'].default:g}"
