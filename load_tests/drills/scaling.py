"""More load than the replicas of a stage can take, until there are more of them; then none, until they are gone."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from load_tests.drills.cluster import ClusterView
from load_tests.drills.endings import Ending, impact_of
from load_tests.drills.failures import leases_left
from load_tests.drills.manifest import Config
from load_tests.drills.setting import Setting
from load_tests.report import Cell, Column, Table
from serve_app.applications import service_application

_FILES = 24
_SESSIONS = 2
_UP_TIMEOUT_S = 240.0
_HELD_S = 20.0
_DOWN_TIMEOUT_S = 300.0
_DOWN_AFTER_S = 30.0
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Change:
    """The number of a deployment's running replicas, since the load began."""

    at_s: float
    deployment: str
    replicas: int


@dataclass(frozen=True, slots=True)
class Course:
    """What happened. Times count from when the load began; it ended at ``load_s``."""

    placed: dict[str, int]
    load_s: float
    changes: tuple[Change, ...]
    up: bool
    down: bool
    endings: dict[Ending, int]
    longest_s: float
    leases: int

    @property
    def broken_promises(self) -> list[str]:
        """What must not happen, and did."""
        broken = [] if self.up else ["no stage scaled up"]
        broken += [] if self.down else ["not all stages scaled down again"]
        failed = self.endings.get(Ending.FAILED, 0)
        return [*broken, f"{failed} attempts failed"] if failed else broken


def shorter_delays(config: Config) -> Any:
    """A layer by which replicas go soon after the load, where the file waits for minutes: by Serve's delay or ours."""
    scaled = [
        {"name": one["name"], "autoscaling_config": _hasty(one["autoscaling_config"])}
        for one in service_application(config["applications"])["deployments"]
        if "autoscaling_config" in one
    ]
    return {"applications": [{"deployments": scaled}]}


def _hasty(autoscaling: dict[str, Any]) -> dict[str, Any]:
    if "policy" in autoscaling:
        return {"policy": {"policy_kwargs": {"down_after_s": _DOWN_AFTER_S}}}
    return {"downscale_delay_s": _DOWN_AFTER_S}


async def scale(setting: Setting) -> Course:
    """One load from nothing to nothing."""
    cluster, load = setting.cluster, setting.load("scaling")
    load.pause_s = 0.0
    changes: list[Change] = []
    fewest = _counts(await asyncio.to_thread(cluster.look))
    seen, begun_s = Counter(fewest), time.monotonic()

    async def look() -> Counter[str]:
        nonlocal seen
        now = _counts(await asyncio.to_thread(cluster.look))
        at_s = time.monotonic() - begun_s
        changes.extend(Change(at_s, name, now[name]) for name in now | seen if now[name] != seen[name])
        seen = now
        return now

    async with load.running(_FILES, _SESSIONS):
        up = await _until(lambda now: any(now[name] > fewest[name] for name in now), look, _UP_TIMEOUT_S)
        await _until(lambda _: False, look, _HELD_S)
    load_s = time.monotonic() - begun_s
    down = await _until(lambda now: all(now[name] <= fewest[name] for name in now), look, _DOWN_TIMEOUT_S)
    impact = impact_of(load.attempts, begun_s)
    return Course(
        placed=dict(fewest),
        load_s=load_s,
        changes=tuple(changes),
        up=up,
        down=down,
        endings=dict(impact.endings),
        longest_s=impact.longest_s,
        leases=await leases_left(setting),
    )


async def _until(is_reached: Any, look: Any, timeout_s: float) -> bool:
    ends_at_s = time.monotonic() + timeout_s
    while not is_reached(await look()):
        if time.monotonic() > ends_at_s:
            return False
        await asyncio.sleep(_LOOK_EVERY_S)
    return True


def _counts(view: ClusterView) -> Counter[str]:
    return Counter(replica.deployment for replica in view.replicas if replica.state == "RUNNING")


def scaling_tables(course: Course) -> list[Table]:
    """How many replicas there were when, and what clients got."""
    changes: tuple[tuple[Cell, ...], ...] = tuple(
        (change.at_s, change.deployment, change.replicas) for change in course.changes
    )
    endings = course.endings
    summary = (
        course.load_s,
        sum(endings.values()),
        endings.get(Ending.ANSWERED, 0),
        endings.get(Ending.TOLD, 0),
        endings.get(Ending.FAILED, 0),
        course.longest_s,
        course.leases,
    )
    return [
        Table(
            f"Replicas under {_FILES} files and {_SESSIONS} live sessions at once",
            (Column("s"), Column("deployment"), Column("running")),
            changes,
            f"Seconds since the load began. Before: {course.placed}. The load ended at {course.load_s:.0f} s.",
        ),
        Table(
            "What clients got",
            (
                Column("load s"),
                Column("attempts"),
                Column("answered"),
                Column("told to come back"),
                Column("failed"),
                Column("longest answer s"),
                Column("leases left"),
            ),
            (summary,),
        ),
    ]
