from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from serve_app.autoscaling.config_check import scaling_problems
from serve_app.serve_config import DEFAULT_CONFIG, ConfigError, load_config

pytestmark = pytest.mark.unit

POLICIES = "serve_app.autoscaling.policies"


def scaling(policy: str = "Cpu", parameters: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    chosen = {"policy_function": f"{POLICIES}:{policy}", "policy_kwargs": parameters or {}}
    return {
        "min_replicas": 1,
        "max_replicas": 2,
        "upscale_delay_s": 0,
        "downscale_delay_s": 0,
        "policy": chosen,
    } | fields


@pytest.mark.parametrize(
    ("deployment", "config", "problem"),
    [
        ("Decoder", scaling(parameters={"fill": 0.5}), "policy.policy_kwargs.fill: Extra inputs"),
        ("Decoder", scaling(parameters={"full": 1.5}), "policy.policy_kwargs.full: Input should be less than"),
        (
            "Decoder",
            scaling(parameters={"spare": 0.9}),
            "policy.policy_kwargs: Value error, spare must be less than full",
        ),
        ("Decoder", scaling(parameters={"down_after_s": -1}), "policy.policy_kwargs.down_after_s: Input should be"),
        ("Decoder", scaling(parameters={"drain_s": "soon"}), "policy.policy_kwargs.drain_s: Input should be a valid"),
        ("Recognizer", scaling("Batches", {"live_full": 0.2}), "policy.policy_kwargs: Value error, live_full must be"),
        (
            "Decoder",
            scaling("Cpus"),
            f"policy.policy_function: there is no {POLICIES}:Cpus (did you mean {POLICIES}:Cpu?)",
        ),
        (
            "Ingress",
            scaling("Cpu"),
            f"policy.policy_function: {POLICIES}:Cpu is for Decoder and SpeechGate, not for Ingress",
        ),
        ("Decoder", scaling(upscale_delay_s=30), "upscale_delay_s: must be 0"),
        ("Decoder", {"policy": {"policy_function": f"{POLICIES}:Cpu"}}, "downscale_delay_s: must be 0"),
        ("Decoder", scaling(target_ongoing_requests=2), "target_ongoing_requests: has no effect"),
        ("Decoder", scaling(aggregation_function="max"), "aggregation_function: has no effect"),
        ("Decoder", scaling(upscaling_factor=0.5), "upscaling_factor: the policy says"),
        ("Decoder", scaling(min_replicas=0), "min_replicas: must be 1 or more"),
    ],
)
def test_what_is_wrong_is_named(deployment: str, config: dict[str, Any], problem: str) -> None:
    found = list(scaling_problems(deployment, config))
    assert any(re.match(problem.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?"), one) for one in found), (
        found
    )


@pytest.mark.parametrize(
    ("deployment", "config"),
    [
        ("Decoder", scaling(parameters={"full": 0.6, "spare": 0.4})),
        ("Recognizer-whisper", scaling("Batches")),
        ("Ingress", scaling("Connections")),
        ("Refiner", {"target_ongoing_requests": 4, "upscale_delay_s": 3}),
        ("Refiner", {"policy": {"policy_function": "their.own:policy"}, "target_ongoing_requests": 4}),
        ("Refiner", {"policy": None}),
    ],
)
def test_nothing_is_wrong_with_what_is_right_or_not_ours(deployment: str, config: dict[str, Any]) -> None:
    assert list(scaling_problems(deployment, config)) == []


def test_a_config_with_wrong_scaling_is_refused_with_its_place(tmp_path: Path) -> None:
    config = yaml.safe_load((DEFAULT_CONFIG.parent / "kuberay-cpu.yaml").read_text())
    deployments = config["applications"][0]["deployments"]
    number = next(index for index, found in enumerate(deployments) if found["name"] == "Recognizer")
    deployments[number]["autoscaling_config"]["policy"]["policy_kwargs"]["drain"] = 3
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    place = f"applications[0].deployments[{number}].autoscaling_config.policy.policy_kwargs.drain"
    with pytest.raises(ConfigError, match=re.escape(place)):
        load_config(path)
