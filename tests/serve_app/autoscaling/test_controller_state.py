"""The policies inside the state of the Serve controller, restored from its checkpoint and fed with reports."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import pytest
from ray.serve._private.autoscaling_state import DeploymentAutoscalingState
from ray.serve._private.common import DeploymentID, ReplicaID, ReplicaMetricReport, TimeStampedValue
from ray.serve._private.config import DeploymentConfig, ReplicaConfig
from ray.serve._private.deployment_info import DeploymentInfo
from ray.serve.config import AutoscalingConfig

from deployments.recognition.batcher import Batcher
from deployments.recognition.batches import BatchLimits

pytestmark = pytest.mark.unit

SAMPLES = 5
APART_S = 6.0


def report(replica: ReplicaID, at_s: float, **last: float) -> ReplicaMetricReport:
    """What the replica has told: what only grows was 0 in the first sample."""
    batcher: Batcher[str, str] = Batcher(lambda words: words, BatchLimits())
    levels = {"slots", "waiting", "inside"}
    metrics: dict[str, Any] = {}
    for name in asdict(batcher.stats):
        value = last.get(name, 0.0)
        metrics[name] = [
            TimeStampedValue(at_s + APART_S * (number - SAMPLES), value if name in levels else value * number / SAMPLES)
            for number in range(SAMPLES)
        ]
    return ReplicaMetricReport(replica_id=replica, timestamp=at_s, metrics=metrics)


def test_what_waits_brings_a_replica_and_idleness_takes_it_away() -> None:
    policy = {
        "policy_function": "serve_app.autoscaling.policies:Batches",
        "policy_kwargs": {"drain_s": 30, "up_after_s": 0, "down_after_s": 0},
    }
    config = DeploymentConfig.from_default(
        autoscaling_config=AutoscalingConfig(
            min_replicas=1, max_replicas=4, upscale_delay_s=0, downscale_delay_s=0, policy=policy
        )
    )
    info = DeploymentInfo(
        deployment_config=DeploymentConfig.from_proto_bytes(config.to_proto_bytes()),
        replica_config=ReplicaConfig.create(lambda: None),
        start_time_ms=0,
        deployer_job_id="",
    )
    deployment = DeploymentID(name="Recognizer", app_name="rayscribe")
    replica = ReplicaID("one", deployment)
    state = DeploymentAutoscalingState(deployment)
    assert state.register(info, 1) == 1
    state.update_running_replica_ids([replica])
    assert state.get_decision_num_replicas(1) == 1
    now_s = time.time()
    # 2400 s wait at 0.05 s each, on two slots: 60 s.
    state.record_request_metrics_for_replica(
        report(replica, now_s, slots=2, waiting=2400, inside=40, busy_s=48, worked_s=50, done=1000, calls=10)
    )
    assert state.get_decision_num_replicas(1) == 2
    assert state.get_decision_num_replicas(2) == 2
    state.record_request_metrics_for_replica(report(replica, now_s + 1, slots=2))
    assert state.get_decision_num_replicas(2) == 1
