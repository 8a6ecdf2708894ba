"""Rolling updates under load: a setting, and the code of every deployment, by `serve deploy` again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from load_tests.drills.cluster import Cluster
from load_tests.drills.endings import Attempt, Ending, Impact, JobCount, impact_of
from load_tests.drills.failures import delivered, labels_shown, leases_left
from load_tests.drills.manifest import layered, serve_config
from load_tests.drills.setting import Setting
from load_tests.report import Cell, Column, Table

_BEFORE_S = 8.0
_AFTER_S = 12.0


@dataclass(frozen=True, slots=True)
class Update:
    """A change of the config, and which replicas it replaces."""

    name: str
    layer: Any


@dataclass(frozen=True, slots=True)
class Rollout:
    """One update under load. ``took_s`` is until the last old replica was gone."""

    update: Update
    replaced: int
    took_s: float
    attempts: tuple[Attempt, ...]
    impact: Impact
    given_up: int
    jobs: JobCount
    leases: int

    @property
    def broken_promises(self) -> list[str]:
        """What must not happen, and did."""
        counts = {
            "attempts failed": self.impact.endings.get(Ending.FAILED, 0),
            "requests gave up": self.given_up,
            "jobs were lost": self.jobs.lost,
            "jobs failed": self.jobs.failed,
            "leases were left": self.leases,
        }
        return [f"{self.update.name}: {count} {what}" for what, count in counts.items() if count]


def updates() -> tuple[Update, ...]:
    """A setting (the service's replicas are replaced), then what stands for new code: the Limiter's, too. Twice."""
    names = [application["name"] for application in serve_config()["applications"]]
    return tuple(
        update
        for release in ("1", "2")
        for update in (
            Update(f"setting {release}", {"applications": [{"args": {"limits": {"max_requests": 12 + int(release)}}}]}),
            Update(
                f"code {release}",
                {
                    "applications": [
                        {"name": name, "runtime_env": {"env_vars": {"RAYSCRIBE_RELEASE": release}}} for name in names
                    ]
                },
            ),
        )
    )


async def roll_out(setting: Setting, update: Update, config: Any) -> Rollout:
    """Load, the update, and load until it is over and a while beyond.

    Raises:
        NotReady: it is refused, or does not end.
    """
    cluster, load = setting.cluster, setting.load(update.name.replace(" ", "-"))
    before = await asyncio.to_thread(cluster.wait_until_settled)
    async with load.running():
        await asyncio.sleep(_BEFORE_S)
        begun_s = time.monotonic()
        await asyncio.to_thread(cluster.deploy, layered(config, update.layer))
        # The controller takes the config a moment after it was stored.
        await asyncio.to_thread(_wait_until_begun, cluster)
        after = await asyncio.to_thread(cluster.wait_until_settled)
        took_s = time.monotonic() - begun_s
        await asyncio.sleep(_AFTER_S)
    stayed = {replica.pid for replica in before.replicas} & {replica.pid for replica in after.replicas}
    return Rollout(
        update=update,
        replaced=len(before.replicas) - len(stayed),
        took_s=took_s,
        attempts=tuple(load.attempts),
        impact=impact_of(load.attempts, begun_s),
        given_up=load.given_up,
        jobs=await delivered(setting, load),
        leases=await leases_left(setting),
    )


def _wait_until_begun(cluster: Cluster, timeout_s: float = 60.0) -> None:
    ends_at_s = time.monotonic() + timeout_s
    while cluster.look().is_settled and time.monotonic() < ends_at_s:
        time.sleep(0.2)


def rollout_table(rollouts: Sequence[Rollout]) -> Table:
    """An update in each row."""
    return Table(
        "Rolling updates under load",
        (
            Column("update"),
            Column("replicas replaced"),
            Column("took s"),
            Column("requests"),
            Column("failed"),
            Column("told to come back"),
            Column("gave up"),
            Column("longest answer s"),
            Column("live sessions"),
            Column("sessions told to come back"),
            Column("cut"),
            Column("jobs accepted"),
            Column("jobs lost"),
            Column("jobs failed"),
            Column("leases left"),
            Column("what was not answered"),
        ),
        tuple(_row(one) for one in rollouts),
        "Requests that were told to come back (503 with Retry-After) did, and are counted again.",
    )


def _row(one: Rollout) -> tuple[Cell, ...]:
    requests = [attempt for attempt in one.attempts if attempt.kind != "live"]
    sessions = [attempt for attempt in one.attempts if attempt.kind == "live"]
    return (
        one.update.name,
        one.replaced,
        one.took_s,
        len(requests),
        _count(requests, Ending.FAILED),
        _count(requests, Ending.TOLD),
        one.given_up,
        one.impact.longest_s,
        len(sessions),
        _count(sessions, Ending.TOLD),
        _count(sessions, Ending.FAILED),
        one.jobs.accepted,
        one.jobs.lost,
        one.jobs.failed,
        one.leases,
        labels_shown(one.impact),
    )


def _count(attempts: Sequence[Attempt], ending: Ending) -> int:
    return sum(attempt.ending is ending for attempt in attempts)
