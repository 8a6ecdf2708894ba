from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.serve._private.common import DeploymentID, ReplicaID, TimeStampedValue
from ray.serve.autoscaling_policy import _apply_autoscaling_config
from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

from deployments.recognition.batcher import Batcher
from deployments.recognition.batches import BatchLimits
from deployments.work_meter import WorkMeter
from serve_app.autoscaling.policies import Batches, Connections, Cpu, Queue, StagePolicy
from serve_app.autoscaling.readings import Readings
from serve_app.autoscaling.scaling import BatchScaling, ConnectionScaling, CpuScaling, QueueScaling
from serve_app.autoscaling.watch import QUIET, Band, Patience, Watch, decide

pytestmark = pytest.mark.unit


def told(
    *replicas: Mapping[str, float | tuple[float, float]], seconds: float = 10.0, queued_calls: float = 0.0
) -> Readings:
    """Two samples of each replica; a pair is what was told first and last."""
    series: dict[str, list[list[tuple[float, float]]]] = {}
    for replica in replicas:
        for name, value in replica.items():
            first, last = value if isinstance(value, tuple) else (value, value)
            series.setdefault(name, []).append([(0.0, first), (seconds, last)])
    return Readings(series, queued_calls)


def engine(**numbers: Any) -> dict[str, Any]:
    idle = {"slots": 1, "waiting": 0, "inside": 0, "busy_s": 0, "worked_s": 0, "done": 0, "calls": 0, "cpu_s": 0}
    live = {"live_waiting": 0, "live_busy_s": 0, "full_worked_s": 0, "full_done": 0}
    return idle | live | numbers


def test_levels_are_means_and_rates_are_of_what_grew() -> None:
    readings = told({"waiting": (10, 20), "busy_s": (100, 105)}, {"waiting": 5, "busy_s": (0, 10)})
    assert readings.level("waiting") == 20
    assert readings.each("waiting") == 10
    assert readings.rate("busy_s") == 1.5
    assert readings.level("unheard of") == readings.rate("unheard of") == 0
    assert not readings.is_empty
    assert Readings({"waiting": [[]]}).is_empty


def test_a_replica_that_has_just_begun_was_nothing_before() -> None:
    old, new = [(0.0, 60.0), (10.0, 60.0), (20.0, 30.0)], [(20.0, 30.0)]
    assert Readings({"requests": [old, new]}).level("requests") == 60
    grown = Readings({"busy_s": [[(0.0, 0.0), (20.0, 15.0)], [(15.0, 0.0), (20.0, 5.0)]]})
    assert grown.rate("busy_s") == 1.0


def test_a_ratio_is_that_of_late_or_else_of_ever() -> None:
    assert told({"worked_s": (100, 110), "done": (1000, 1200)}).ratio("worked_s", "done") == 0.05
    assert told({"worked_s": 100, "done": 1000}).ratio("worked_s", "done") == 0.1
    assert told({"worked_s": (0, 5), "done": 0}).ratio("worked_s", "done") is None


def test_connections_count_against_what_a_replica_takes_requests_sessions_and_bytes_each() -> None:
    scaling = ConnectionScaling(full=0.6, spare=0.4)
    replica = {"requests": 6, "max_requests": 12, "sessions": 10, "max_sessions": 100, "bytes": 1, "max_bytes": 1000}
    assert scaling.band(told(replica, replica)) == Band(2, 3)
    assert scaling.band(told(replica | {"sessions": 90}, replica)) == Band(2, 3)
    assert scaling.band(told(replica | {"sessions": 100}, replica | {"sessions": 90})) == Band(4, 5)
    assert scaling.band(told(replica | {"bytes": 900}, replica | {"bytes": 900})).fewest == 3
    assert scaling.band(told(replica | {"requests": 0, "sessions": 0})) == Band(1, 1)


def test_a_decoder_is_short_of_processor_time_or_of_time_for_what_waits() -> None:
    scaling = CpuScaling(full=0.8, spare=0.6, drain_s=10)
    assert scaling.band(told(engine(cpu_s=(0, 9), busy_s=(0, 9), inside=3))) == Band(2, 2)
    assert scaling.band(told(engine(cpu_s=(0, 7), busy_s=(0, 7), inside=3))) == Band(1, 2)
    # Kept from its processor: it is not short of it, and it does not go.
    assert scaling.band(told(engine(cpu_s=(0, 3), busy_s=(0, 9), inside=3))) == Band(1, 2)
    # 3 inside and 4 in front of it, each of 5 s.
    slow = engine(busy_s=(0, 10), worked_s=(0, 10), done=(0, 2), calls=(0, 2), waiting=3, inside=4)
    assert scaling.band(told(slow, queued_calls=4)).fewest == 4


def test_one_long_recording_brings_no_other_replica_and_a_second_one_does() -> None:
    scaling = QueueScaling(full=0.8, spare=0.6, drain_s=60)
    alone = engine(busy_s=(0, 10), worked_s=60, done=600, inside=1)
    assert scaling.band(told(alone)) == Band(1, 2)
    # 7200 s at a tenth are 720 s of work, for one call.
    assert scaling.band(told(alone | {"waiting": 7200, "inside": 2})).fewest == 2


def test_nothing_can_be_said_of_what_waits_before_anything_was_done() -> None:
    scaling = QueueScaling(full=0.8, spare=0.6)
    assert scaling.band(told(engine(busy_s=(0, 5), waiting=9000, inside=50))) == Band(1, 1)


def test_a_recogniser_is_short_of_slots_only_when_its_batches_are_full() -> None:
    scaling = BatchScaling(full=0.8, spare=0.6, drain_s=30)
    busy = engine(busy_s=(0, 10), inside=9, worked_s=(0, 10))
    # Busy all the time with batches that could be ten times as large.
    small = busy | {"done": (0, 100), "full_worked_s": 10, "full_done": 1000}
    assert scaling.band(told(small)) == Band(1, 1)
    assert scaling.band(told(busy | {"done": (0, 900), "full_worked_s": 10, "full_done": 1000})) == Band(2, 2)
    # Before there was a full batch, busy is all that is known.
    assert scaling.band(told(busy | {"done": (0, 100)})) == Band(2, 2)


def test_a_recogniser_keeps_room_for_live_speech() -> None:
    scaling = BatchScaling(full=0.8, spare=0.6, live_full=0.5, live_drain_s=2)
    live = engine(slots=2, busy_s=(0, 12), live_busy_s=(0, 12), worked_s=(0, 12), done=(0, 1200), inside=5)
    assert scaling.band(told(live)) == Band(2, 2)
    # 1000 s at a hundredth, on two slots, are 5 s.
    assert scaling.band(told(live | {"waiting": 1000, "live_waiting": 1000})).fewest == 3


def test_every_number_that_policies_go_by_is_told() -> None:
    class Noted(Readings):
        def __init__(self) -> None:
            super().__init__({})
            self.names: set[str] = set()

        def _of(self, name: str) -> list[Any]:
            self.names.add(name)
            return []

    by_queue, by_batches = Noted(), Noted()
    for scaling in (QueueScaling(), CpuScaling()):
        scaling.band(by_queue)
    BatchScaling().band(by_batches)
    assert by_queue.names <= asdict(WorkMeter(1).stats).keys()
    batcher: Batcher[str, str] = Batcher(lambda words: words, BatchLimits())
    assert by_batches.names <= asdict(batcher.stats).keys()


PATIENCE = Patience(up_after_s=10, down_after_s=100)


def test_a_shortage_must_last_and_a_break_starts_the_wait_anew() -> None:
    target, watch = decide(Band(3, 4), 2, 0.0, QUIET, PATIENCE)
    target, watch = decide(Band(1, 4), target, 9.0, watch, PATIENCE)
    assert watch == QUIET
    target, watch = decide(Band(3, 4), target, 10.0, watch, PATIENCE)
    assert (target, watch) == (2, Watch(short_since_s=10.0))
    assert decide(Band(5, 6), target, 20.0, watch, PATIENCE) == (5, QUIET)


def test_what_is_to_spare_goes_down_to_the_most_that_was_wanted_meanwhile() -> None:
    target, watch = decide(Band(1, 3), 5, 0.0, QUIET, PATIENCE)
    target, watch = decide(Band(1, 4), target, 50.0, watch, PATIENCE)
    target, watch = decide(Band(1, 1), target, 99.0, watch, PATIENCE)
    assert target == 5
    assert decide(Band(1, 1), target, 100.0, watch, PATIENCE) == (4, QUIET)


@given(st.integers(1, 9), st.integers(0, 9), st.integers(1, 9), st.integers(0, 9))
def test_a_band_within_bounds_is_one(fewest: int, more: int, low: int, width: int) -> None:
    band = Band(fewest, fewest + more).within(low, low + width)
    assert low <= band.fewest <= band.most <= low + width


NAMES = {Connections: "Ingress", Cpu: "Decoder", Queue: "Diarizer", Batches: "Recognizer"}


def context(
    policy: type[StagePolicy], metrics: dict[str, list[float]], state: dict[str, Any], now_s: float, target: int = 3
) -> Any:
    """What Serve's controller hands to a policy, made as it makes it; three replicas of which one tells."""
    deployment = DeploymentID(name=NAMES[policy], app_name="rayscribe")
    replicas = [ReplicaID(name, deployment) for name in ("one", "two", "three")]
    raw = {
        name: {replicas[0]: [TimeStampedValue(float(at_s), value) for at_s, value in enumerate(values)]}
        for name, values in metrics.items()
    }
    function = f"{policy.__module__}:{policy.__name__}"
    config = AutoscalingConfig(
        min_replicas=1,
        max_replicas=4,
        upscale_delay_s=0,
        downscale_delay_s=0,
        policy=AutoscalingPolicy(policy_function=function, policy_kwargs={"up_after_s": 5, "down_after_s": 60}),
    )
    return AutoscalingContext(
        deployment_id=deployment,
        deployment_name=deployment.name,
        app_name=deployment.app_name,
        current_num_replicas=target,
        target_num_replicas=target,
        running_replicas=replicas,
        total_num_requests=0.0,
        total_queued_requests=lambda: 0.0,
        aggregated_metrics=None,
        raw_metrics=lambda: raw,
        capacity_adjusted_min_replicas=1,
        capacity_adjusted_max_replicas=4,
        policy_state=state,
        last_scale_up_time=None,
        last_scale_down_time=None,
        current_time=now_s,
        config=config,
    )


@pytest.mark.parametrize("policy", NAMES)
def test_serve_runs_the_policies(policy: type[StagePolicy]) -> None:
    """As in Serve: by the name in the config, pickled, and inside its own delays and factors."""
    first = context(policy, {}, {}, 0.0)
    made = first.config.policy.get_policy()(**first.config.policy.policy_kwargs)
    serve_policy = _apply_autoscaling_config(made)
    wanted, state = serve_policy(first)
    assert wanted == 3  # nobody has told anything
    idle = {name: [1.0, 1.0] for name in ("slots", "max_requests", "max_sessions")} | {"waiting": [0.0, 0.0]}
    wanted, state = serve_policy(context(policy, idle, state, 100.0))
    assert wanted == 3
    wanted, state = serve_policy(context(policy, idle, state, 159.0))
    assert wanted == 3
    assert serve_policy(context(policy, idle, state, 160.0))[0] == 1
    full = {"slots": [1.0, 1.0], "max_requests": [1.0, 1.0], "requests": [9.0, 9.0], "inside": [9.0, 9.0]}
    grown = {"busy_s": [0.0, 9.0], "cpu_s": [0.0, 9.0], "worked_s": [0.0, 9.0], "done": [0.0, 9.0]}
    wanted, state = serve_policy(context(policy, full | grown, state, 200.0))
    assert wanted == 3
    wanted, state = serve_policy(context(policy, full | grown, state, 205.0))
    assert wanted > 4
    # With as many as there may be, it says all the time what would be wanted.
    full_house = context(policy, full | grown, state, 206.0, target=4)
    assert serve_policy(full_house)[0] > 4
