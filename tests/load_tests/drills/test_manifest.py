"""What runs on one machine is the file that Kubernetes gets, with a layer over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from load_tests.drills.manifest import layered, on_one_machine, on_two_nodes, serve_config, worker_group
from load_tests.drills.scaling import shorter_delays
from load_tests.drills.upgrade import updates
from serve_app.applications import placed_deployments, service_application

pytestmark = pytest.mark.unit


def test_a_layer_changes_what_it_names_and_nothing_else() -> None:
    config = {"http": {"host": "0.0.0.0", "port": 8000}, "deployments": [{"name": "A", "n": 1}, {"name": "B", "n": 2}]}
    layer = {"http": {"port": 9}, "deployments": [{"name": "B", "scaling": {"max": 4}}], "new": [1, 2]}
    assert layered(config, layer) == {
        "http": {"host": "0.0.0.0", "port": 9},
        "deployments": [{"name": "A", "n": 1}, {"name": "B", "n": 2, "scaling": {"max": 4}}],
        "new": [1, 2],
    }
    assert config["http"] == {"host": "0.0.0.0", "port": 8000}


def test_lists_without_names_are_layered_by_position() -> None:
    assert layered([{"a": 1}, {"b": 2}], [{"a": 3}]) == [{"a": 3}, {"b": 2}]


def test_the_overlay_of_one_machine_is_small() -> None:
    """Deployments, engines and grace periods are the file's own."""
    config = serve_config()
    here = layered(config, on_one_machine(8200, Path("/tmp/data")))
    application, original = (service_application(one["applications"]) for one in (here, config))
    assert here["applications"][1:] == config["applications"][1:]
    assert application["deployments"] == original["deployments"]
    assert application["args"].keys() - original["args"].keys() == {"sources"}
    assert application["args"]["access"].keys() - original["args"]["access"].keys() == {"plans"}
    assert application["args"]["access"].items() >= original["args"]["access"].items()
    for section in original["args"].keys() - {"storage", "access"}:
        assert application["args"][section] == original["args"][section]


def test_on_two_nodes_there_are_two_ways_in_and_nothing_else_is_different() -> None:
    config = serve_config()
    here = layered(config, on_two_nodes())
    ingress, original = (
        next(found for _, found in placed_deployments(one["applications"]) if found["name"] == "Ingress")
        for one in (here, config)
    )
    assert ingress["autoscaling_config"] == {**original["autoscaling_config"], "min_replicas": 2}
    assert (ingress["max_replicas_per_node"], ingress["max_surge_percent"]) == (1, 0)
    assert layered(here, {"applications": [{"deployments": [original]}]}) == config


def test_workers_are_started_as_the_ray_service_says() -> None:
    group = worker_group()
    assert group.labels == "stage=cpu"
    wanted = {
        f"{name}={value}"
        for _, one in placed_deployments(serve_config()["applications"])
        for name, value in one["ray_actor_options"]["label_selector"].items()
    }
    assert wanted == {group.labels}
    assert float(group.cpus) > 0
    assert float(group.drain_timeout_s) > 0


def test_only_what_scales_gets_shorter_delays() -> None:
    config = serve_config()
    layer = shorter_delays(config)
    scaled = {one["name"] for _, one in placed_deployments(layer["applications"])}
    assert scaled == {
        one["name"] for _, one in placed_deployments(config["applications"]) if "autoscaling_config" in one
    }
    assert scaled


def test_each_update_changes_the_config_of_the_one_before() -> None:
    config = serve_config()
    for update in updates():
        changed = layered(config, update.layer)
        assert changed != config
        config = changed


def test_a_setting_leaves_the_limiter_alone_and_new_code_does_not() -> None:
    config = serve_config()
    for update in updates():
        changed = layered(config, update.layer)
        same = [one == other for one, other in zip(changed["applications"], config["applications"], strict=True)]
        assert same == [False, update.name.startswith("setting")]
        config = changed


def test_a_policy_of_ours_has_its_own_delay() -> None:
    ours = {"name": "A", "autoscaling_config": {"policy": {"policy_kwargs": {"down_after_s": 600}}}}
    theirs = {"name": "B", "autoscaling_config": {"downscale_delay_s": 300}}
    config = {"applications": [{"deployments": [ours, theirs, {"name": "C", "num_replicas": 1}]}]}
    (application,) = layered(config, shorter_delays(config))["applications"]
    first, second, third = application["deployments"]
    assert 0 < first["autoscaling_config"]["policy"]["policy_kwargs"]["down_after_s"] < 120
    assert 0 < second["autoscaling_config"]["downscale_delay_s"] < 120
    assert third == {"name": "C", "num_replicas": 1}
