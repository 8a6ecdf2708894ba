"""One run under locust, from the first step to the last."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import psutil
from locust.env import Environment
from locust.event import Events

from load_tests.load.calls import FileCaller
from load_tests.load.material import Material
from load_tests.load.observations import FileCall, LiveCall, Outcome
from load_tests.load.plan import Plan
from load_tests.load.steps import Step
from load_tests.load.summary import Cores, StepFigures, figures_of
from load_tests.load.traffic import Traffic
from load_tests.load.users import StepShape, user_classes
from load_tests.processes import ProcessGroup, ServiceNotLocal, find_service


@dataclass(slots=True)
class Run:
    """What a run found. ``is_whole``: it came to its end, and was not interrupted."""

    files: list[FileCall] = field(default_factory=list)
    live: list[LiveCall] = field(default_factory=list)
    steps: list[StepFigures] = field(default_factory=list)
    is_whole: bool = False

    def add(self, call: FileCall | LiveCall) -> None:
        """Keep an observation."""
        if isinstance(call, FileCall):
            self.files.append(call)
        else:
            self.live.append(call)


def run_plan(
    server: str,
    plan: Plan,
    material: Material,
    file_caller: FileCaller,
    on_step: Callable[[StepFigures], None] = lambda _: None,
) -> Run:
    """Load a service, step by step. Interrupted (Ctrl-C), it ends with the steps that are done.

    Args:
        server: base URL.
        plan: at least one API or one stream.
        material: what is sent.
        file_caller: sends it.
        on_step: called with each step when it is done.
    """
    run, events = Run(), Events()
    events.request.add_listener(lambda context, **_: run.add(context["observation"]))
    traffic = Traffic(server, plan, material, file_caller, partial(_fire, events))
    watch = _Watch(server, traffic, run, on_step)
    environment = Environment(
        user_classes=user_classes(traffic),
        shape_class=StepShape(traffic, watch.look),
        events=events,
        host=server,
        stop_timeout=plan.timeout_s,
    )
    runner = environment.create_local_runner()

    def interrupt(*_: object) -> None:
        # Nobody who wants to stop waits for answers. An exception would be raised in whichever user runs just now.
        environment.stop_timeout = 0.0
        traffic.is_interrupted = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        runner.start_shape()
        if runner.shape_greenlet is not None:
            runner.shape_greenlet.join()
    finally:
        signal.signal(signal.SIGINT, before)
        runner.quit()
    run.is_whole = not traffic.is_interrupted and len(run.steps) == len(plan.levels)
    return run


class _Watch:
    """Sees steps open, close and end, and where the processors' time goes meanwhile."""

    def __init__(self, server: str, traffic: Traffic, run: Run, on_step: Callable[[StepFigures], None]) -> None:
        self._traffic = traffic
        self._run = run
        self._on_step = on_step
        self._meter = _Meter(server)
        self._opened: Step | None = None
        self._closed: Step | None = None
        self._cores: Cores | None = None

    def look(self) -> None:
        """Take in what has changed since it was last called."""
        steps, number = self._traffic.steps, len(self._run.steps)
        if number == len(steps.begun):
            return
        step = steps.begun[number]
        if step is not self._opened:
            self._opened = step
            self._meter.begin()
        if step is not self._closed and self._traffic.now_s >= step.closes_s:
            self._closed = step
            self._cores = self._meter.end()
        if step.drained_s is not None:
            settle_s = self._traffic.plan.settle_s
            figures = figures_of(number, step, settle_s, self._run.files, self._run.live, self._cores)
            self._run.steps.append(figures)
            self._on_step(figures)
            self._meter.find()


class _Meter:
    """Processor time between two moments."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._group: ProcessGroup | None = None
        self._before: tuple[float, dict[str, float], float, float] | None = None
        self.find()

    def find(self) -> None:
        """Look for the service's processes. It takes seconds on a busy machine, and every user stands still for it."""
        try:
            self._group = find_service(self._server)
        except (ServiceNotLocal, psutil.Error):
            self._group = None

    def begin(self) -> None:
        """From now."""
        self._before = self._read()

    def end(self) -> Cores | None:
        """Up to now; None where the service is not to be seen."""
        if self._group is None or self._before is None:
            return None
        before_s, service_before_s, client_before_s, busy_before_s = self._before
        at_s, service_s, client_s, busy_s = self._read()
        wall_s = at_s - before_s
        return Cores(
            {name: (spent_s - service_before_s.get(name, 0.0)) / wall_s for name, spent_s in service_s.items()},
            (client_s - client_before_s) / wall_s,
            (busy_s - busy_before_s) / wall_s,
        )

    def _read(self) -> tuple[float, dict[str, float], float, float]:
        times = psutil.cpu_times()
        idle_s = times.idle + getattr(times, "iowait", 0.0)
        service_s = {} if self._group is None else self._group.cpu_s()
        return time.perf_counter(), service_s, time.process_time(), sum(times) - idle_s


def _fire(events: Events, call: FileCall | LiveCall) -> None:
    """Tell locust, whose listeners get the observation with it."""
    latency_s = call.latency_s if isinstance(call, FileCall) else call.ended_s - call.began_s
    events.request.fire(
        request_type=call.api.value,
        name=call.length if isinstance(call, FileCall) else "session",
        response_time=1000 * latency_s,
        response_length=0,
        exception=RuntimeError(call.reason) if call.outcome is Outcome.FAILED else None,
        context={"observation": call},
    )
