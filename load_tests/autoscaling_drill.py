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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
import yaml
from ray import serve

from load_tests.autoscaling_graph import SLOTS, WORK_S
from load_tests.autoscaling_simulation import REPORT_INTERVAL_S, Settings, settings_of
from load_tests.hardware import read_hardware
from load_tests.options import DEFAULT_RESULTS, ResultsOption
from load_tests.report import Cell, Column, Report, Table, wide_console
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
_LOOK_S = 0.5

PortOption = Annotated[int, typer.Option("--port", help="Where the service of the drill listens.")]
DownOption = Annotated[float, typer.Option("--down-after-s", min=30.0, help="Instead of the minutes of the config.")]


@dataclass(frozen=True, slots=True)
class Look:
    """Replicas of each stage at a time: those that Serve wants, and those that run."""

    at_s: float
    wanted: dict[str, int]
    running: dict[str, int]


@dataclass(slots=True)
class Watched:
    """The replicas over time, seen twice a second; times count from when the watch began."""

    begun_s: float = field(default_factory=time.monotonic)
    looks: list[Look] = field(default_factory=list)

    @property
    def now_s(self) -> float:
        """Since the watch began."""
        return time.monotonic() - self.begun_s

    def changes(self, stage: str, since_s: float, until_s: float) -> list[tuple[float, int]]:
        """When the number wanted changed, and by how many."""
        looks = [one for one in self.looks if since_s <= one.at_s < until_s]
        pairs = (
            (after.at_s, after.wanted[stage] - before.wanted[stage]) for before, after in itertools.pairwise(looks)
        )
        return [(at_s, by) for at_s, by in pairs if by]

    def first(self, since_s: float, is_so: Callable[[Look], bool]) -> float | None:
        """Seconds from a time until something was seen."""
        return next((one.at_s - since_s for one in self.looks if one.at_s >= since_s and is_so(one)), None)


@dataclass(frozen=True, slots=True)
class Reaction:
    """Of a stage to the step: when it asked for more, had what it asked for, and let the first one go."""

    stage: str
    up_s: float | None
    up_bound_s: float
    most: int
    ready_s: float | None
    down_s: float | None
    down_bound_s: float
    back_s: float | None
    changes_in_teeth: int
    turns_in_teeth: int

    @property
    def is_kept(self) -> bool:
        """Whether it did what docs/autoscaling.md promises."""
        up = self.up_s is not None and self.up_s <= self.up_bound_s + 2 * _LOOK_S
        down = self.down_s is not None and self.down_s <= self.down_bound_s + 2 * _LOOK_S
        return up and down and self.turns_in_teeth == 0


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
    report.tables += [_reaction_table(reactions), _course_table(watched), _answer_table(answers)]
    report.print(console)
    console.print(f"Saved {report.save(results)}")
    if not all(one.is_kept for one in reactions):
        raise typer.Exit(1)


def drill_scaling(config: dict[str, Any], down_after_s: float) -> dict[str, dict[str, Any]]:
    """The ``autoscaling_config`` of the stages of a Serve config that the drill has, with another wait for less."""
    found = {
        one["name"]: one["autoscaling_config"]
        for one in config["applications"][0]["deployments"]
        if one["name"] in _POLICIES
    }
    for scaling in found.values():
        scaling["policy"]["policy_kwargs"]["down_after_s"] = down_after_s
    return found


def _config(port: int, scaling: Mapping[str, dict[str, Any]], folder: str) -> Any:
    from ray.serve.schema import ServeDeploySchema

    limits = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["applications"][0]["args"]["limits"]
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
        async with _Sender(url) as sender:
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
        while not ended.wait(_LOOK_S):
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


class _Sender:
    """Sends at a rate, whether or not the answers come."""

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(max_connections=None)
        self._http = httpx.AsyncClient(base_url=url, timeout=600, limits=limits, trust_env=False)
        self._open: set[asyncio.Task[None]] = set()
        self.answers: Counter[str] = Counter()

    async def __aenter__(self) -> _Sender:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(self, rate_hz: Callable[[float], float], seconds: float) -> None:
        """``rate_hz`` of the seconds since this began."""
        begun_s, due = time.monotonic(), 0.0
        at_s = 0.0
        while at_s < seconds:
            await asyncio.sleep(0.05)
            now_s = time.monotonic() - begun_s
            due += (now_s - at_s) * rate_hz(at_s)
            at_s = now_s
            while due >= 1:
                due -= 1
                task = asyncio.create_task(self._ask())
                self._open.add(task)
                task.add_done_callback(self._open.discard)

    async def all_answered(self) -> None:
        """Returns when nothing is under way."""
        while self._open:
            await asyncio.wait(self._open)

    async def _ask(self) -> None:
        try:
            answer = await self._http.post("/v1/listen", files={"audio": ("a", bytes(int(_AUDIO_S * 1000)))})
        except httpx.HTTPError as error:
            self.answers[type(error).__name__] += 1
        else:
            self.answers[f"HTTP {answer.status_code}"] += 1


def _reaction_table(reactions: list[Reaction]) -> Table:
    columns = (
        Column("stage"),
        Column("asks for more after s"),
        Column("at most"),
        Column("replicas"),
        Column("all run after s"),
        Column("lets one go after s"),
        Column("at most "),
        Column("back after s"),
        Column("changes in the sawtooth", 0),
        Column("turns", 0),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            one.stage,
            one.up_s,
            one.up_bound_s,
            one.most,
            one.ready_s,
            one.down_s,
            one.down_bound_s,
            one.back_s,
            one.changes_in_teeth,
            one.turns_in_teeth,
        )
        for one in reactions
    )
    note = (
        f"A step to {_LOAD:g} times what one recogniser does, for {_STEP_S:g} s, and {_TEETH} teeth from nothing to "
        f"that. Up counts from the step, down from the last answer. Replicas tell every {REPORT_INTERVAL_S:g} s."
    )
    return Table("Reaction", columns, rows, note)


def _course_table(watched: Watched) -> Table:
    rows: list[tuple[Cell, ...]] = []
    last: tuple[Cell, ...] = ()
    for look in watched.looks:
        counts = tuple(itertools.chain.from_iterable((look.wanted[one], look.running[one]) for one in look.wanted))
        if counts != last:
            rows.append((look.at_s, *counts))
            last = counts
    names = [f"{stage} {what}" for stage in watched.looks[0].wanted for what in ("wanted", "running")]
    return Table("Replicas over time", (Column("s"), *(Column(name) for name in names)), tuple(rows))


def _answer_table(answers: Counter[str]) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(sorted(answers.items()))
    return Table("Answers", (Column("answer"), Column("requests")), rows, "503: all places of the ingress were taken.")


if __name__ == "__main__":
    typer.run(autoscaling_drill)
