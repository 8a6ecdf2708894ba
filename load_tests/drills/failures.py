"""Something dies under load: what clients saw, how long until it was well again, and what was lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
import psutil

from load_tests.drills.clients import Load
from load_tests.drills.cluster import Cluster, NotReady
from load_tests.drills.endings import Attempt, Ending, Impact, JobCount, count_jobs, impact_of, is_quiet
from load_tests.drills.setting import Setting
from load_tests.report import Cell, Column, Table

STAGES = (
    "Ingress",
    "Limiter",
    "JobRunner",
    "Decoder",
    "SpeechGate",
    "LanguageIdentifier",
    "Recognizer",
    "Diarizer",
    "Refiner",
)
_BEFORE_S = 8.0
_AFTER_S = 15.0
_QUIET_S = 6.0
_LONGEST_S = 120.0
_OUTAGE_S = 10.0
_DELIVERY_S = 90.0
# A holder of leases that is silent is taken for dead after access.lease_ttl_s, which is 5 s.
_LEASES_END_S = 12.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that can happen. ``happen`` returns when it is over; what dies is not brought back by it.

    ``stays_ready``: replicas work on without what dies, and readiness probes must not say otherwise.
    """

    name: str
    what: str
    happen: Callable[[Setting], None]
    stays_ready: bool = False


@dataclass(frozen=True, slots=True)
class Drill:
    """A fault under load. ``whole_s`` is when all replicas ran again, after the fault; None: not within the drill."""

    fault: Fault
    attempts: tuple[Attempt, ...]
    impact: Impact
    whole_s: float | None
    given_up: int
    jobs: JobCount
    leases: int
    unready: int

    @property
    def broken_promises(self) -> list[str]:
        """What must not happen, and did."""
        counts = {
            "requests gave up": self.given_up,
            "jobs were lost": self.jobs.lost,
            "jobs failed": self.jobs.failed,
            "leases were left": self.leases,
            "probes were not answered with ready": self.unready if self.fault.stays_ready else 0,
        }
        broken = [f"{self.fault.name}: {count} {what}" for what, count in counts.items() if count]
        return broken if self.whole_s is not None else [*broken, f"{self.fault.name}: not all replicas came back"]


def all_faults() -> tuple[Fault, ...]:
    """In the order in which they are drilled."""
    replicas = (
        Fault(stage, f"SIGKILL to every replica of {stage}", _kills(stage), stays_ready=stage != "Ingress")
        for stage in STAGES
    )
    return (
        *replicas,
        Fault("controller", "SIGKILL to the Serve controller", _kill_controller, stays_ready=True),
        Fault("proxy", "SIGKILL to one HTTP proxy", _kill_proxy),
        Fault("drain", "SIGTERM to the node of the Recognizer, another one joins", _drain_node),
        Fault("node", "SIGKILL to all processes of the node of the Ingress, another one joins", _kill_node),
        Fault("database", f"PostgreSQL stopped for {_OUTAGE_S:g} s, its connections cut", _stop_database),
        Fault("hanging-database", f"PostgreSQL silent for {_OUTAGE_S:g} s (SIGSTOP)", _hang_database),
        Fault(
            "head", f"SIGKILL to all processes of the head, back after {_OUTAGE_S:g} s", _kill_head, stays_ready=True
        ),
    )


def faults_named(names: Sequence[str]) -> tuple[Fault, ...]:
    """Those of all_faults that have these names, in its order.

    Raises:
        ValueError: there is no fault of such a name.
    """
    known = {fault.name: fault for fault in all_faults()}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no such fault: {', '.join(unknown)}. There are: {', '.join(known)}")
    return tuple(fault for name, fault in known.items() if name in names)


async def drill(setting: Setting, fault: Fault) -> Drill:
    """Load, the fault, and load until all is well again for a while.

    Raises:
        NotReady: the application is not well before.
    """
    await asyncio.to_thread(setting.cluster.wait_until_settled)
    await asyncio.to_thread(setting.cluster.wait_until_answering)
    load = setting.load(fault.name)
    async with load.running():
        await asyncio.sleep(_BEFORE_S)
        fault_at_s = time.monotonic()
        await asyncio.to_thread(fault.happen, setting)
        whole_s = await _until_well(setting.cluster, load, fault_at_s)
    jobs = await delivered(setting, load)
    leases = await leases_left(setting)
    impact = impact_of(load.attempts, fault_at_s)
    unready = load.probes.total() - load.probes[200]
    return Drill(fault, tuple(load.attempts), impact, whole_s, load.given_up, jobs, leases, unready)


async def _until_well(cluster: Cluster, load: Load, fault_at_s: float) -> float | None:
    whole_s = None
    ends_at_s = time.monotonic() + _LONGEST_S
    while (now_s := time.monotonic()) < ends_at_s:
        is_whole = await asyncio.to_thread(_is_settled, cluster)
        if not is_whole:
            whole_s = None
        elif whole_s is None:
            whole_s = now_s - fault_at_s
        is_over = now_s > fault_at_s + _AFTER_S and is_quiet(load.attempts, now_s, _QUIET_S)
        if is_whole and is_over:
            break
        await asyncio.sleep(0.5)
    return whole_s


def _is_settled(cluster: Cluster) -> bool:
    try:
        return cluster.look().is_settled
    except (httpx.HTTPError, KeyError):
        # The API may be what is broken just now.
        return False


async def leases_left(setting: Setting) -> int:
    """What the Limiter holds when nobody has asked for anything for longer than a dead holder's leases last."""
    await asyncio.sleep(_LEASES_END_S)
    return await asyncio.to_thread(setting.cluster.leases)


async def delivered(setting: Setting, load: Load) -> JobCount:
    """What became of the load's jobs, when all were delivered or nobody waits any longer."""
    give_up_s = time.monotonic() + _DELIVERY_S
    while True:
        jobs = count_jobs(set(load.accepted), setting.deliveries(load))
        if not jobs.lost or time.monotonic() > give_up_s:
            return jobs
        await asyncio.sleep(0.5)


def _kills(stage: str) -> Callable[[Setting], None]:
    def happen(setting: Setting) -> None:
        _kill([replica.pid for replica in setting.cluster.look().running(stage)])

    return happen


def _kill_controller(setting: Setting) -> None:
    _kill(setting.cluster.nodes.head.pids("controller"))


def _kill_proxy(setting: Setting) -> None:
    _kill(setting.cluster.nodes.worker_with("proxy").pids("proxy"))


def _kill_head(setting: Setting) -> None:
    if not setting.cluster.nodes.has_redis:
        raise NotReady("without redis-server on the PATH the cluster is gone with its head")
    head = setting.cluster.nodes.head
    head.kill()
    time.sleep(_OUTAGE_S)
    head.start_again()
    head.wait_until_started()


def _kill_node(setting: Setting) -> None:
    nodes = setting.cluster.nodes
    worker = nodes.worker_with("Ingress")
    nodes.workers.remove(worker)
    worker.kill()
    # As KubeRay would: a pod that is gone is replaced at once.
    nodes.add_worker().wait_until_started()


def _drain_node(setting: Setting) -> None:
    """The node may outlast its replicas, up to its drain time, while Ray holds objects on it."""
    nodes = setting.cluster.nodes
    worker = nodes.worker_with("Recognizer")
    nodes.workers.remove(worker)
    worker.drain()
    nodes.add_worker().wait_until_started()


def _stop_database(setting: Setting) -> None:
    setting.postgres.stop()
    time.sleep(_OUTAGE_S)
    setting.postgres.start_again()


def _hang_database(setting: Setting) -> None:
    with setting.postgres.hanging():
        time.sleep(_OUTAGE_S)


def _kill(pids: Sequence[int]) -> None:
    if not pids or 0 in pids:
        raise NotReady(f"there is nothing to kill: {pids}")
    for pid in pids:
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def drill_table(drills: Sequence[Drill]) -> Table:
    """A fault in each row."""
    return Table(
        "Failure drills: what clients saw of each fault",
        (
            Column("fault"),
            Column("attempts"),
            Column("answered"),
            Column("told to come back"),
            Column("failed"),
            Column("gave up"),
            Column("first failure s"),
            Column("last failure s"),
            Column("longest answer s"),
            Column("all replicas back s"),
            Column("jobs accepted"),
            Column("jobs lost"),
            Column("jobs failed"),
            Column("leases left"),
            Column("probes not ready"),
            Column("what was not answered"),
        ),
        tuple(_row(one) for one in drills),
        "Requests, jobs handed in and live sessions that were running when the fault came or began later. Told to come "
        "back: 429 or 503 with Retry-After, close codes 1012 and 1013 after an error event. Failed: anything else, "
        "such as a 500 or a cut connection. Seconds count from the fault.",
    )


def _row(one: Drill) -> tuple[Cell, ...]:
    impact = one.impact
    return (
        one.fault.name,
        impact.attempts,
        impact.endings.get(Ending.ANSWERED, 0),
        impact.endings.get(Ending.TOLD, 0),
        impact.endings.get(Ending.FAILED, 0),
        one.given_up,
        impact.first_failure_s,
        impact.recovered_s,
        impact.longest_s,
        one.whole_s,
        one.jobs.accepted,
        one.jobs.lost,
        one.jobs.failed,
        one.leases,
        one.unready,
        labels_shown(impact),
    )


def labels_shown(impact: Impact) -> str:
    """What was seen instead of an answer, the most frequent first."""
    ordered = sorted(impact.labels.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} × {label}" for label, count in ordered)
