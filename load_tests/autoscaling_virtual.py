"""The scaling of the configs that ship, in virtual time: what a real Serve would need hours and GPUs for."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from load_tests.autoscaling_simulation import Connecting, Engines, Load, Settings, Work, settings_of, simulate
from load_tests.report import Cell, Column, Table
from serve_app.applications import placed_deployments
from serve_app.autoscaling.policies import Batches, Connections, Cpu, Queue, StagePolicy

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
_STEP_S = 300.0
_HELD_S = 1800.0
_AFTER_S = 3600.0
_TIMES = 5.0
_PERIODS = 8


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a config, and what its replicas are like.

    Attributes:
        config, name: of the file and the deployment.
        policy: that it names.
        work: what a replica does.
        bears: the load that one replica bears.
        start_s: from asking for a replica until it takes work, pods and models included: assumed.
    """

    config: str
    name: str
    policy: type[StagePolicy]
    work: Work
    bears: float
    start_s: float


STAGES = (
    Stage("kuberay-cpu", "Ingress", Connections, Connecting(max_requests=12), 12, 20),
    Stage("kuberay-cpu", "Decoder", Cpu, Engines(speed=1000, slots=1, call_s=60), 1000, 20),
    Stage("kuberay-cpu", "Recognizer", Batches, Engines(speed=30, slots=2, call_s=10), 30, 20),
    Stage("kuberay-gpu", "Ingress", Connections, Connecting(max_requests=24), 24, 60),
    Stage("kuberay-gpu", "Decoder", Cpu, Engines(speed=1000, slots=1, call_s=60), 1000, 60),
    Stage("kuberay-gpu", "Recognizer", Batches, Engines(speed=600, slots=1, call_s=60), 600, 300),
    Stage("kuberay-gpu", "Diarizer", Queue, Engines(speed=200, slots=1, call_s=60), 200, 300),
)


def virtual_table() -> Table:
    """How each stage takes a step and a sawtooth."""
    columns = (
        Column("config"),
        Column("stage"),
        Column("starts in s", 0),
        Column("asks after s", 0),
        Column("at most", 0),
        Column("enough run after s", 0),
        Column("most replicas", 0),
        Column("back after s", 0),
        Column("changes in 10 min teeth", 0),
        Column("turns", 0),
    )
    note = (
        f"A step to {_TIMES:g} times what one replica bears (or nine tenths of what all bear), for {_HELD_S / 60:g} "
        f"min, and after two teeth from nothing to that, {_PERIODS - 2} more. Starts are assumptions."
    )
    return Table("In virtual time", columns, tuple(_row(stage) for stage in STAGES), note)


def _row(stage: Stage) -> tuple[Cell, ...]:
    settings = replace(settings_of(stage.policy, _scaling(stage)), start_s=stage.start_s)
    high = stage.bears * min(_TIMES, 0.9 * settings.max_replicas)
    ended_s = _STEP_S + _HELD_S
    course = simulate(
        settings, stage.work, lambda now_s: high if _STEP_S <= now_s < ended_s else 0.0, ended_s + _AFTER_S
    )
    needed = -(-high // stage.bears)
    asks_s = next((at_s for at_s, by in course.changes if at_s >= _STEP_S and by > 0), None)
    enough_s = next((one.time_s for one in course.moments if one.time_s >= _STEP_S and one.running >= needed), None)
    last_s = course.changes[-1][0] if course.moments[-1].wanted == settings.min_replicas else None
    changes, turns = _teeth(settings, stage.work, high)
    return (
        stage.config,
        stage.name,
        stage.start_s,
        None if asks_s is None else asks_s - _STEP_S,
        settings.reaction_s,
        None if enough_s is None else enough_s - _STEP_S,
        max(one.wanted for one in course.moments),
        None if last_s is None else last_s - ended_s,
        changes,
        turns,
    )


def _teeth(settings: Settings, work: Work, high: float) -> tuple[int, int]:
    """Changes and turns of a sawtooth, once two teeth are over."""
    period_s = 600.0
    teeth: Load = lambda now_s: high * (now_s % period_s) / period_s  # noqa: E731
    course = simulate(settings, work, teeth, _PERIODS * period_s)
    late = [by > 0 for at_s, by in course.changes if at_s >= 2 * period_s]
    return len(late), sum(1 for before, after in itertools.pairwise(late) if before is not after)


def _scaling(stage: Stage) -> Mapping[str, Any]:
    config = yaml.safe_load((CONFIGS / f"{stage.config}.yaml").read_text(encoding="utf-8"))
    for _, deployment in placed_deployments(config["applications"]):
        if deployment["name"] == stage.name:
            found: Mapping[str, Any] = deployment["autoscaling_config"]
            return found
    raise LookupError(stage.name)
