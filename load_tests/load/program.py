"""The command line of the load test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from load_tests.hardware import read_hardware
from load_tests.load.callers_file import read_callers
from load_tests.load.calls import FileCaller, is_unreachable_from_service
from load_tests.load.load_report import (
    LoadReport,
    caller_figures,
    knee_of,
    level_name,
    plan_facts,
    tables_of,
    webhook_figures,
)
from load_tests.load.material import Material, MaterialMissing, material_of
from load_tests.load.observations import Outcome
from load_tests.load.page import page
from load_tests.load.plan import (
    DEFAULT_FILES,
    DEFAULT_LENGTHS,
    DEFAULT_LEVELS,
    DEFAULT_LIVE,
    DEFAULT_RATES_HZ,
    Arrivals,
    Caller,
    Plan,
    PlanError,
    parse_files,
    parse_lengths,
    parse_levels,
    parse_live,
)
from load_tests.load.receiver import Receiver, running_receiver
from load_tests.load.run import run_plan
from load_tests.load.service_config import fetching_from_loopback
from load_tests.load.summary import StepFigures
from load_tests.options import DEFAULT_RESULTS, DEFAULT_SERVER, ResultsOption, ServerOption, StartOption
from load_tests.report import Report, wide_console
from load_tests.service import ServiceUnreachable, running_service

_HINT = (
    "the service may not fetch from {url}: start it with sources.allowed_networks for this machine (docs/load.md), or "
    "give --public-url"
)

LevelsOption = Annotated[
    str | None,
    typer.Option(
        "--levels",
        metavar="N,…",
        show_default="1,2,4,8,16,32,64, or 0.25,0.5,1,2,4 where arrivals are open",
        help="Callers at once, step by step; with --arrivals open, calls a second.",
    ),
]
ArrivalsOption = Annotated[
    Arrivals,
    typer.Option(
        "--arrivals", help="closed: each caller waits for his answer. open: a Poisson process that waits for nobody."
    ),
]
StepOption = Annotated[float, typer.Option("--step-s", min=1.0, max=3600.0, help="Seconds of new calls in each step.")]
FilesOption = Annotated[
    str | None,
    typer.Option(
        "--files",
        metavar="API:W,…",
        show_default="listen:3,openai:2,60db:2,waves:1,url:1,job:1",
        help="How often each API for recordings is used; '' uses none.",
    ),
]
StreamsOption = Annotated[
    int, typer.Option("--live-streams", min=0, max=1000, help="Sockets that are spoken into all the time.")
]
LiveOption = Annotated[
    str | None,
    typer.Option(
        "--live", metavar="API:W,…", show_default="waves-live,60db-live,openai-live", help="Their APIs, as --files."
    ),
]
LengthsOption = Annotated[
    str | None,
    typer.Option(
        "--lengths", metavar="S:W,…", show_default="2:8,15:7,60:4,240:1", help="Seconds of audio, and how often."
    ),
]
RecordingsOption = Annotated[
    Path | None,
    typer.Option(
        "--recordings",
        metavar="DIR",
        file_okay=False,
        exists=True,
        help="Send what is in this folder instead of the built-in speech.",
    ),
]
CallersOption = Annotated[
    Path | None,
    typer.Option(
        "--callers", metavar="FILE", dir_okay=False, help="YAML list of {name, key, weight}; default: no key."
    ),
]
RetryAfterOption = Annotated[
    bool,
    typer.Option(
        "--retry-after/--no-retry-after", help="A refused caller comes back when the service said; else after a second."
    ),
]
TimeoutOption = Annotated[float, typer.Option("--timeout-s", min=1.0, help="For an answer, and for a job's webhook.")]
ListenOption = Annotated[
    str, typer.Option("--listen", metavar="HOST:PORT", help="Where this program gives recordings and takes webhooks.")
]
PublicUrlOption = Annotated[
    str | None, typer.Option("--public-url", metavar="URL", help="How the service reaches --listen.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the order in which calls are dealt.")]


def load(
    server: ServerOption = DEFAULT_SERVER,
    start: StartOption = False,
    levels: LevelsOption = None,
    arrivals: ArrivalsOption = Arrivals.CLOSED,
    step_s: StepOption = 25.0,
    files: FilesOption = None,
    live_streams: StreamsOption = 2,
    live: LiveOption = None,
    lengths: LengthsOption = None,
    recordings: RecordingsOption = None,
    callers: CallersOption = None,
    retry_after: RetryAfterOption = False,
    timeout_s: TimeoutOption = 120.0,
    listen: ListenOption = "127.0.0.1:0",
    public_url: PublicUrlOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    seed: SeedOption = 1,
) -> None:
    """Load a running service over every API, at one level after the other, and find the knee.

    Five minutes by default. Ends with 1 where a call failed; refusals (429, 503) are none.
    """
    is_open = arrivals is Arrivals.OPEN
    try:
        host, port = _address(listen)
        plan = Plan(
            levels=parse_levels(levels) if levels else DEFAULT_RATES_HZ if is_open else DEFAULT_LEVELS,
            arrivals=arrivals,
            step_s=step_s,
            files=DEFAULT_FILES if files is None else parse_files(files),
            live_streams=live_streams,
            live=DEFAULT_LIVE if live is None else parse_live(live),
            lengths=DEFAULT_LENGTHS if lengths is None else parse_lengths(lengths),
            callers=(Caller("all"),) if callers is None else read_callers(callers),
            keeps_retry_after=retry_after,
            timeout_s=timeout_s,
            seed=seed,
        )
        plan.check()
        material = material_of(plan, recordings)
    except (PlanError, MaterialMissing, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    console = wide_console()
    try:
        with (
            fetching_from_loopback() as config,
            running_service(server, start=start, config=config),
            running_receiver(material.all_uploads(), host, port, public_url) as receiver,
        ):
            report = _measure(server, plan, material, receiver, console)
    except (ServiceUnreachable, OSError) as error:
        console.print(escape(str(error)), style="red")
        raise typer.Exit(2) from error
    _tell(report, results, console)
    if report.failures:
        raise typer.Exit(1)


def _measure(server: str, plan: Plan, material: Material, receiver: Receiver, console: Console) -> LoadReport:
    hardware = read_hardware()
    skipped = list(material.skipped)
    caller = FileCaller(server, receiver, plan.timeout_s)
    try:
        usable, problems = _without_what_fails(plan, material, caller, receiver)
        skipped += problems
        if not usable.files and not usable.live_streams:
            raise ServiceUnreachable("No API can be used:\n" + "\n".join(problems))
        with console.status("Loading"):
            run = run_plan(server, usable, material, caller, lambda step: _tell_step(step, plan, console))
    finally:
        caller.close()
    return LoadReport(
        hardware=hardware,
        plan=plan_facts(server, usable, material.by_class()),
        steps=tuple(run.steps),
        knee=knee_of(run.steps),
        callers=caller_figures([one.name for one in plan.callers], [*run.files, *run.live]),
        webhooks=webhook_figures(run.files, receiver.late, receiver.repeated),
        skipped=tuple(skipped),
        is_whole=run.is_whole,
    )


def _without_what_fails(
    plan: Plan, material: Material, caller: FileCaller, receiver: Receiver
) -> tuple[Plan, list[str]]:
    """Use each API once, which warms the service up; what is left of the plan, and why the rest is left out."""
    files, problems = dict(plan.files), []
    for api in plan.files:
        answer = caller.call(api, material.shortest, plan.callers[0])
        if answer.outcome is Outcome.FAILED:
            del files[api]
            hint = _HINT.format(url=receiver.url) if is_unreachable_from_service(answer.reason) else answer.reason
            problems.append(f"{api.value}: {hint}")
    return replace(plan, files=files), problems


def _tell_step(step: StepFigures, plan: Plan, console: Console) -> None:
    p95 = "–" if step.latency.p95_s is None else f"{step.latency.p95_s:.2f} s"
    refused, failed = (sum(one.count for one in counts) for counts in (step.refused, step.failed))
    console.print(
        f"{step.level:g} {level_name(plan.arrivals)}: {step.audio_s_per_s:.1f} s of audio a second, p95 {p95}, "
        f"{refused} refused, {failed} failed"
    )


def _tell(report: LoadReport, results: Path, console: Console) -> None:
    Report("load", report.hardware, tables_of(report), list(report.skipped)).print(console)
    path = report.save(results)
    html = path.with_suffix(".html")
    html.write_text(page(report), encoding="utf-8")
    if not report.is_whole:
        console.print("Interrupted: the levels that were not finished are left out.", style="yellow")
    console.print(f"Saved {path} and {html}")


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise PlanError(f"{text!r} is not HOST:PORT")
    return host, int(port)
