"""``python -m load_tests.drills [nodes|upgrade|failures]``: a cluster of our own, under load.

Each command starts its cluster, writes JSON and a page of Markdown, and exits with 1 where a promise was broken.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from load_tests.drills.cluster import NotReady
from load_tests.drills.endings import Attempt
from load_tests.drills.failures import Drill, Fault, all_faults, drill, drill_table, faults_named
from load_tests.drills.manifest import layered, on_two_nodes, serve_config
from load_tests.drills.nodes import NodeFailed, Ports
from load_tests.drills.pages import save_page
from load_tests.drills.scaling import scale, scaling_tables, shorter_delays
from load_tests.drills.setting import NothingToRunOn, running_setting
from load_tests.drills.upgrade import Rollout, roll_out, rollout_table, updates
from load_tests.hardware import read_hardware
from load_tests.options import DEFAULT_RESULTS, ResultsOption
from load_tests.report import Report, wide_console

PortOption = Annotated[int, typer.Option("--port", help="Of the service; the four after it are Ray's and Redis'.")]
GcsOption = Annotated[int, typer.Option("--gcs-port", help="Of Ray's head node.")]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, help="Nodes beside the head.")]
OnlyOption = Annotated[str | None, typer.Option("--only", metavar="A,B", help="These faults alone.")]

app = typer.Typer(add_completion=False, help="The service as a cluster runs it: deploy and scale, upgrade, break.")


@app.command("nodes")
def nodes(
    port: PortOption = 8200,
    gcs_port: GcsOption = 6480,
    # A third ingress needs a third node.
    workers: WorkersOption = 3,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Deploy to a head and workers; load until a stage scales up, then wait until it scales down."""
    report = Report("drill-nodes", read_hardware())
    ingresses = on_two_nodes() if workers > 1 else {}
    layer = layered(shorter_delays(serve_config()), ingresses)
    with running_setting(_ports(port, gcs_port), workers, layer) as setting:
        course = asyncio.run(scale(setting))
    report.tables += scaling_tables(course)
    _finish(report, results, course.broken_promises)


@app.command("upgrade")
def upgrade(
    port: PortOption = 8200,
    gcs_port: GcsOption = 6480,
    workers: WorkersOption = 2,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Roll out settings and code under load: no request fails, no session is cut, nothing is lost."""
    report = Report("drill-upgrade", read_hardware())
    rollouts: list[Rollout] = []
    console = wide_console()
    with running_setting(_ports(port, gcs_port), workers, on_two_nodes() if workers > 1 else None) as setting:
        config = setting.config
        for update in updates():
            rollouts.append(asyncio.run(roll_out(setting, update, config)))
            console.print(f"{update.name}: {dict(rollouts[-1].impact.endings)} in {rollouts[-1].took_s:.0f} s")
            config = layered(config, update.layer)
    report.tables.append(rollout_table(rollouts))
    for one in rollouts:
        report.clips += _attempts(one.update.name, one.attempts)
    _finish(report, results, [promise for one in rollouts for promise in one.broken_promises])


@app.command("failures")
def failures(
    port: PortOption = 8200,
    gcs_port: GcsOption = 6480,
    workers: WorkersOption = 2,
    only: OnlyOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Kill each part of the service under load: what clients see, how long it takes, and that nothing is lost."""
    faults = all_faults() if only is None else _faults_named(only)
    report = Report("drill-failures", read_hardware())
    drills: list[Drill] = []
    console = wide_console()
    with running_setting(_ports(port, gcs_port), workers, on_two_nodes() if workers > 1 else None) as setting:
        for fault in faults:
            try:
                drills.append(asyncio.run(drill(setting, fault)))
            except (NotReady, NodeFailed) as error:
                report.skipped.append(f"{fault.name}: {error}")
                continue
            console.print(f"{fault.name}: {dict(drills[-1].impact.endings)}, whole after {drills[-1].whole_s}")
    report.tables.append(drill_table(drills))
    for one in drills:
        report.clips += _attempts(one.fault.name, one.attempts)
    _finish(report, results, [promise for one in drills for promise in one.broken_promises])


def _faults_named(only: str) -> tuple[Fault, ...]:
    try:
        return faults_named([name.strip() for name in only.split(",")])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from None


def _ports(port: int, gcs_port: int) -> Ports:
    return Ports(http=port, dashboard=port + 1, gcs=gcs_port, client=port + 2, redis=port + 3, head_http=port + 4)


def _attempts(name: str, attempts: Sequence[Attempt]) -> list[dict[str, str | int | float | None]]:
    return [{"drill": name, **asdict(attempt)} for attempt in attempts]


def _finish(report: Report, results: Path, broken_promises: Sequence[str]) -> None:
    console = wide_console()
    report.print(console)
    console.print(f"Written: {report.save(results)}, {save_page(report, results)}")
    for promise in broken_promises:
        console.print(f"[red]Broken:[/red] {promise}")
    if broken_promises or report.skipped:
        raise typer.Exit(1)


def main() -> None:
    """Say in one line what is missing, instead of a traceback; leave nothing behind when told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app()
    except (NothingToRunOn, NodeFailed, NotReady) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
