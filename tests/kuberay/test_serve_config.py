"""The Serve config in the RayService is the file of configs/, and the worker groups have what it asks for."""

import math
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

from serve_app.applications import LIMITER_PATH, service_application
from serve_app.serve_config import load_config
from tests.kuberay.manifests import cluster, deployments, of_kind, rayservice, replica_bounds, serve_config, settings
from tests.kuberay.rendering import ROOT, Object, rendered

pytestmark = pytest.mark.unit

# Sections that are about where things run and not about what comes out.
_OF_THE_CLUSTER = {"profile", "limits", "models", "storage", "access"}


def _args(name: str) -> dict[str, Any]:
    return dict(service_application(_applications(name))["args"])


def _applications(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())["applications"])


def test_it_is_the_file_to_the_letter(overlay: str, objects: list[Object]) -> None:
    text = (ROOT / "configs" / f"kuberay-{overlay}.yaml").read_text()
    assert rayservice(objects)["spec"]["serveConfigV2"] == text
    (config_map,) = (
        found for found in of_kind(objects, "ConfigMap") if found["metadata"]["name"] == "rayscribe-serve-config"
    )
    assert config_map["data"] == {"serve.yaml": text}


def test_serve_and_our_settings_accept_it(overlay: str, objects: list[Object]) -> None:
    config = load_config(ROOT / "configs" / f"kuberay-{overlay}.yaml")
    # Elsewhere workers would never be ready, or nobody could reach them.
    assert (str(config.proxy_location), config.http_options.host, config.http_options.port) == (
        "ProxyLocation.EveryNode",
        "0.0.0.0",
        8000,
    )
    assert settings(objects).storage.database_url == "postgresql+psycopg://"


@pytest.mark.parametrize(("ours", "theirs"), [("kuberay-gpu", "gpu"), ("kuberay-cpu", "embedded")])
def test_what_is_recognised_is_as_on_one_machine(ours: str, theirs: str) -> None:
    def engines(name: str) -> dict[str, Any]:
        args = {section: value for section, value in _args(name).items() if section not in _OF_THE_CLUSTER}
        if theirs == "embedded":
            # Slots are one for each processor, which a container has to be told.
            args.pop("recognition", None)
        return args

    assert engines(ours) == engines(theirs)


def test_the_slots_of_a_recogniser_on_the_cpu_are_its_processors() -> None:
    (recognizer,) = (
        found
        for found in service_application(_applications("kuberay-cpu"))["deployments"]
        if found["name"] == "Recognizer"
    )
    assert _args("kuberay-cpu")["recognition"] == {"slots": recognizer["ray_actor_options"]["num_cpus"]}


def _node_types(objects: list[Object]) -> dict[str, dict[str, Any]]:
    """What Ray's own autoscaler makes of the worker groups."""
    resource = {"metadata": {"name": "rayscribe", "namespace": "default"}, "spec": cluster(objects)}
    types = _derive_autoscaling_config_from_ray_cr(resource)["available_node_types"]
    return {name: found for name, found in types.items() if name != "headgroup"}


def _fits(deployment: dict[str, Any], node_type: dict[str, Any]) -> bool:
    options = deployment["ray_actor_options"]
    return all(node_type["labels"].get(name) == value for name, value in options["label_selector"].items()) and all(
        options.get(option, 0) <= node_type["resources"].get(resource, 0)
        for option, resource in (("num_cpus", "CPU"), ("num_gpus", "GPU"))
    )


def test_the_head_has_room_for_no_replica(objects: list[Object]) -> None:
    resource = {"metadata": {"name": "rayscribe", "namespace": "default"}, "spec": cluster(objects)}
    head = _derive_autoscaling_config_from_ray_cr(resource)["available_node_types"]["headgroup"]
    assert head["resources"]["CPU"] == 0
    assert head["resources"].get("GPU", 0) == 0
    assert rayservice(objects)["spec"]["excludeHeadPodFromServeSvc"] is True


def test_every_deployment_is_placed_by_label_on_one_group(objects: list[Object]) -> None:
    types = _node_types(objects)
    for name, deployment in deployments(objects).items():
        assert len([group for group, found in types.items() if _fits(deployment, found)]) == 1, name


@pytest.mark.parametrize("bound", [0, 1], ids=["fewest", "most"])
def test_the_groups_have_room_for_all_replicas(objects: list[Object], bound: int) -> None:
    for group, node_type in _node_types(objects).items():
        nodes = node_type[("min_workers", "max_workers")[bound]]
        placed = [found for found in deployments(objects).values() if _fits(found, node_type)]
        for option, resource in (("num_cpus", "CPU"), ("num_gpus", "GPU")):
            wanted = sum(found["ray_actor_options"].get(option, 0) * replica_bounds(found)[bound] for found in placed)
            assert wanted <= nodes * node_type["resources"].get(resource, 0), (group, resource)
        for found in placed:
            assert replica_bounds(found)[bound] <= nodes * found.get("max_replicas_per_node", 1000), found["name"]


def _surge(deployment: dict[str, Any], replicas: int) -> int:
    """How many more there are for a while when a deployment is updated; Serve rounds up."""
    percent: int = deployment.get("max_surge_percent", 0)
    return math.ceil(percent * replicas / 100)


def test_no_update_leaves_a_stage_without_a_replica(objects: list[Object]) -> None:
    """Serve stops one and then starts one, unless it may surge. Of the Limiter there must never be two."""
    for name, found in deployments(objects).items():
        fewest = replica_bounds(found)[0]
        assert name == "Limiter" or fewest > 1 or _surge(found, fewest) > 0, name


def test_no_change_of_the_settings_restarts_the_limiter(objects: list[Object]) -> None:
    """It goes before another comes. Serve replaces all of an application whose args change, and nothing of others."""
    service, limiter = serve_config(objects)["applications"]
    assert "Limiter" not in {found["name"] for found in service["deployments"]}
    assert (limiter["import_path"], limiter["route_prefix"]) == (LIMITER_PATH, None)
    assert limiter["args"].keys() == {"lease_ttl_s"}


@pytest.mark.parametrize("bound", [0, 1], ids=["fewest", "most"])
def test_the_groups_have_room_for_an_update(objects: list[Object], bound: int) -> None:
    """Else it waits, and the old replicas go on, until there is less to do."""
    for group, node_type in _node_types(objects).items():
        placed = [found for found in deployments(objects).values() if _fits(found, node_type)]
        counts = {found["name"]: replica_bounds(found)[bound] for found in placed}
        wanted = sum(
            found["ray_actor_options"].get("num_cpus", 0)
            * (counts[found["name"]] + _surge(found, counts[found["name"]]))
            for found in placed
        )
        nodes = node_type["max_workers"]
        assert wanted <= nodes * node_type["resources"].get("CPU", 0), group
        for found in placed:
            most_at_once = counts[found["name"]] + _surge(found, counts[found["name"]])
            assert most_at_once <= nodes * found.get("max_replicas_per_node", 1000), found["name"]


def test_the_stages_of_one_gpu_fit_on_it_together(objects: list[Object]) -> None:
    """Recognizer and LanguageIdentifier, one each: else a group of GPUs fills up with the small one."""
    asr = {
        name: found["ray_actor_options"]["num_gpus"]
        for name, found in deployments(objects).items()
        if found["ray_actor_options"]["label_selector"] == {"stage": "asr"}
    }
    if asr:
        assert sum(asr.values()) == pytest.approx(1.0)
        assert deployments(objects)["LanguageIdentifier"]["max_replicas_per_node"] == 1


def test_the_group_for_a_language_model_takes_the_refiner_that_the_config_describes() -> None:
    objects = rendered("gpu")
    text = rayservice(objects)["spec"]["serveConfigV2"]
    described = "ray_actor_options: {num_cpus: 2, num_gpus: 1, label_selector: {stage: llm}}"
    assert described in text
    types = _node_types(objects)
    assert [group for group, found in types.items() if _fits(yaml.safe_load(described), found)] == ["gpu-llm"]
    assert types["gpu-llm"]["min_workers"] == 0


def test_a_cpu_replica_sees_no_gpu(objects: list[Object]) -> None:
    application = service_application(serve_config(objects)["applications"])
    if any(found["ray_actor_options"].get("num_gpus") for found in application["deployments"]):
        assert application["runtime_env"]["env_vars"]["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] == "1"


def test_our_own_code_says_that_an_ingress_is_full(objects: list[Object]) -> None:
    """Serve's refusal would not be in the caller's dialect."""
    limits, live = settings(objects).limits, settings(objects).live
    assert deployments(objects)["Ingress"]["max_ongoing_requests"] > limits.max_requests + live.max_sessions
