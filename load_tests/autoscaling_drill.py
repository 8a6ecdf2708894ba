"""Scaling on a real Ray Serve: a step and a sawtooth of real requests, and how long it took to react.

The ingress is the real one and scales as configs/kuberay-cpu.yaml says, and so does a recogniser that pretends
(load_tests/autoscaling_graph.py). Only the wait before replicas go is shorter, or the drill would take half an hour.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from ray import serve

from load_tests.autoscaling_graph import SLOTS, WORK_S
from load_tests.autoscaling_sender import Sender
from load_tests.autoscaling_simulation import REPORT_INTERVAL_S, Settings, settings_of
from load_tests.autoscaling_tables import (
    LOOK_S,
    Look,
    Reaction,
    Watched,
    answer_table,
    course_table,
    reaction_table,
)
from load_tests.autoscaling_virtual import virtual_table
from load_tests.hardware import read_hardware
from load_tests.options import DEFAULT_RESULTS, ResultsOption
from load_tests.report import Report, wide_console
from serve_app.applications import placed_deployments, service_application
from serve_app.autoscaling.policies import Batches, Connections, StagePolicy
from serve_app.launcher import base_url, launched

CONFIG = Path(__file__).resolve().parent.parent / "configs" / "kuberay-cpu.yaml"
_POLICIES: Mapping[str, type[StagePolicy]] = {"Ingress": Connections, "Recognizer": Batches}
_APPLICATION = "scaling"
_AUDIO_S = 60.0
_IDLE_HZ = 0.1
# Of what one replica recognises.
_LOAD = 2.5
_STEP_S = 90.0
_TEETH = 3
_NOTE = (
    f"A step to {_LOAD:g} times what one recogniser does, for {_STEP_S:g} s, and {_TEETH} teeth from nothing to that. "
    f"Up counts from the step, down from the last answer. Replicas tell every {REPORT_INTERVAL_S:g} s."
)

PortOption = Annotated[int, typer.Option("--port", help="Where the service of the drill listens.")]
DownOption = Annotated[float, typer.Option("--down-after-s", min=30.0, help="Instead of the minutes of the config.")]


def autoscaling_drill(
    port: PortOption = 7190, down_after_s: DownOption = 45.0, results: ResultsOption = DEFAULT_RESULTS
) -> None:
    """Start a service of its own, load it with a step and a sawtooth, and report when replicas came and went."""
    console = wide_console()
    scaling = drill_scaling(yaml.safe_load(CONFIG.read_text(encoding="utf-8")), down_after_s)
    report = Report("autoscaling-drill", read_hardware())
    with (
        tempfile.TemporaryDirectory() as folder,
        console.status("Loading a service of its own"),
        launched(_config(port, scaling, folder), report=_ignore, wait=_wait, after_ray_init=lambda: None),
    ):
        reactions, watched, answers = asyncio.run(_drill(base_url("127.0.0.1", port), scaling, down_after_s))
    report.tables += [reaction_table(reactions, _NOTE), course_table(watched), answer_table(answers), virtual_table()]
    report.publish(results, console)
    if not all(one.is_kept for one in reactions):
        raise typer.Exit(1)


def drill_scaling(config: dict[str, Any], down_after_s: float) -> dict[str, dict[str, Any]]:
    """The ``autoscaling_config`` of the stages of a Serve config that the drill has, with another wait for less."""
    found = {
        one["name"]: one["autoscaling_config"]
        for _, one in placed_deployments(config["applications"])
        if one["name"] in _POLICIES
    }
    for scaling in found.values():
        scaling["policy"]["policy_kwargs"]["down_after_s"] = down_after_s
    return found


def _config(port: int, scaling: Mapping[str, dict[str, Any]], folder: str) -> Any:
    from ray.serve.schema import ServeDeploySchema

    applications = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["applications"]
    limits = service_application(applications)["args"]["limits"]
    application = {
        "name": _APPLICATION,
        "route_prefix": "/",
        "import_path": "load_tests.autoscaling_graph:build_app",
        "args": {"limits": limits, "storage": {"folder": folder}},
        "deployments": [{"name": name, "autoscaling_config": one} for name, one in scaling.items()],
    }
    return ServeDeploySchema.model_validate(
        {
            "proxy_location": "HeadOnly",
            "http_options": {"host": "127.0.0.1", "port": port},
            "logging_config": {"enable_access_log": False},
            "applications": [application],
        }
    )


def _ignore(_: object) -> None:
    pass


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False


async def _drill(
    url: str, scaling: Mapping[str, dict[str, Any]], down_after_s: float
) -> tuple[list[Reaction], Watched, Counter[str]]:
    peak_hz = _LOAD * SLOTS / WORK_S / _AUDIO_S
    tooth_s = 0.75 * down_after_s
    with _watching(tuple(scaling)) as watched:
        async with Sender(url, bytes(int(_AUDIO_S * 1000))) as sender:
            await sender.send(lambda _: _IDLE_HZ, 10.0)
            step_s = watched.now_s
            await sender.send(lambda _: peak_hz, _STEP_S)
            await sender.all_answered()
            ended_s = watched.now_s
            await sender.send(lambda _: _IDLE_HZ, 2 * down_after_s + 45.0)
            # What the stage grows to is seen before the teeth are judged.
            await sender.send(lambda at_s: peak_hz * (at_s % tooth_s) / tooth_s, 3 * tooth_s)
            judged_s = watched.now_s
            await sender.send(lambda at_s: peak_hz * (at_s % tooth_s) / tooth_s, _TEETH * tooth_s)
            await sender.all_answered()
        end_s = watched.now_s
    reactions = [
        _reaction(watched, stage, settings_of(_POLICIES[stage], one), (step_s, ended_s, judged_s, end_s))
        for stage, one in scaling.items()
    ]
    return reactions, watched, sender.answers


def _reaction(watched: Watched, stage: str, settings: Settings, times_s: tuple[float, float, float, float]) -> Reaction:
    step_s, ended_s, judged_s, end_s = times_s
    most = max(one.wanted[stage] for one in watched.looks if one.at_s < ended_s)
    growing = [at_s for at_s, by in watched.changes(stage, step_s, ended_s) if by > 0]
    in_teeth = watched.changes(stage, judged_s, end_s)
    signs = [by > 0 for _, by in in_teeth]
    down_bound_s = settings.reaction_s - settings.scaling.up_after_s + settings.scaling.down_after_s
    return Reaction(
        stage=stage,
        up_s=growing[0] - step_s if growing else None,
        up_bound_s=settings.reaction_s,
        most=most,
        ready_s=watched.first(step_s, lambda one: one.running[stage] >= most),
        down_s=watched.first(ended_s, lambda one: one.wanted[stage] < most),
        down_bound_s=down_bound_s,
        back_s=watched.first(ended_s, lambda one: one.running[stage] <= settings.min_replicas),
        changes_in_teeth=len(in_teeth),
        turns_in_teeth=sum(1 for before, after in itertools.pairwise(signs) if before is not after),
    )


@contextmanager
def _watching(stages: tuple[str, ...]) -> Iterator[Watched]:
    watched, ended = Watched(), threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_S):
            deployments = serve.status().applications[_APPLICATION].deployments
            states = {stage: deployments[stage].replica_states for stage in stages}
            watched.looks.append(
                Look(
                    watched.now_s,
                    {stage: sum(n for state, n in one.items() if state != "STOPPING") for stage, one in states.items()},
                    {stage: one.get("RUNNING", 0) for stage, one in states.items()},
                )
            )

    thread = threading.Thread(target=watch, name="watch")
    thread.start()
    try:
        yield watched
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    typer.run(autoscaling_drill)
