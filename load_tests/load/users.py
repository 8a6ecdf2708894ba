"""Traffic as locust users and a load shape."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from locust import LoadTestShape, User, task

from load_tests.load.plan import Arrivals, poisson_times_s
from load_tests.load.traffic import Traffic

_LOOK_AGAIN_S = 0.05
_SPAWNED_IN_A_SECOND = 100
_MOST_IN_FLIGHT = 2000
"""In open arrivals: a service that answers nothing must not take this machine with it."""


def user_classes(traffic: Traffic) -> list[type[User]]:
    """The users of a run."""
    plan = traffic.plan

    class Caller(User):
        """Sends a recording, waits for the answer, sends the next."""

        abstract = plan.arrivals is Arrivals.OPEN

        @task
        def call(self) -> None:
            """One recording."""
            if traffic.is_open:
                time.sleep(traffic.call())
            else:
                time.sleep(_LOOK_AGAIN_S)

    class Crowd(User):
        """Callers who do not know each other: each comes once, when the dice say so."""

        abstract = plan.arrivals is Arrivals.CLOSED
        fixed_count = 1

        @task
        def come(self) -> None:
            """All who come in a step."""
            step = traffic.steps.current
            if step is None or not traffic.is_open:
                time.sleep(_LOOK_AGAIN_S)
                return
            rng = random.Random(f"{plan.seed} {len(traffic.steps.begun)}")
            for due_s in poisson_times_s(step.level, step.opened_s, step.closes_s, rng):
                time.sleep(max(due_s - traffic.now_s, 0.0))
                if traffic.in_flight >= _MOST_IN_FLIGHT:
                    traffic.leave_out(due_s, f"not sent: {_MOST_IN_FLIGHT} calls are under way")
                else:
                    threading.Thread(target=traffic.call, args=(due_s,), daemon=True).start()
            time.sleep(max(step.closes_s - traffic.now_s, 0.0))

    class Speaker(User):
        """Speaks into a socket, and into the next one."""

        abstract = not plan.live_streams
        fixed_count = plan.live_streams

        @task
        def speak(self) -> None:
            """One session."""
            if traffic.is_open:
                time.sleep(traffic.speak())
            else:
                time.sleep(_LOOK_AGAIN_S)

    return [kind for kind in (Caller, Crowd, Speaker) if not kind.abstract]


class StepShape(LoadTestShape):
    """As many users as the step wants; locust asks once a second."""

    def __init__(self, traffic: Traffic, after_tick: Callable[[], None]) -> None:
        """Follows the steps of a run; ``after_tick`` is called whenever they may have moved on."""
        super().__init__()  # type: ignore[no-untyped-call]  # as its base class is
        self._traffic = traffic
        self._after_tick = after_tick

    def tick(self) -> tuple[int, float] | None:
        """See LoadTestShape."""
        level = self._traffic.tick()
        self._after_tick()
        if level is None:
            return None
        plan = self._traffic.plan
        callers = 1 if plan.arrivals is Arrivals.OPEN else round(level)
        return callers + plan.live_streams, _SPAWNED_IN_A_SECOND
