"""Questions to rendered manifests."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import yaml

from serve_app.applications import placed_deployments, service_application
from serve_app.settings import Settings
from tests.kuberay.rendering import Object


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [found for found in objects if found["kind"] == kind]


def rayservice(objects: list[Object]) -> Object:
    (found,) = of_kind(objects, "RayService")
    return found


def cluster(objects: list[Object]) -> dict[str, Any]:
    return dict(rayservice(objects)["spec"]["rayClusterConfig"])


def worker_groups(objects: list[Object]) -> dict[str, dict[str, Any]]:
    return {group["groupName"]: group for group in cluster(objects)["workerGroupSpecs"]}


def serve_config(objects: list[Object]) -> dict[str, Any]:
    return dict(yaml.safe_load(rayservice(objects)["spec"]["serveConfigV2"]))


def settings(objects: list[Object]) -> Settings:
    return Settings.model_validate(service_application(serve_config(objects)["applications"])["args"])


def applications(objects: list[Object]) -> list[str]:
    return [found["name"] for found in serve_config(objects)["applications"]]


def deployments(objects: list[Object]) -> dict[str, dict[str, Any]]:
    """Of all applications, which share the worker groups."""
    return {found["name"]: found for _, found in placed_deployments(serve_config(objects)["applications"])}


def pod_templates(objects: list[Object]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every kind of pod by a name for it, with the labels that KubeRay adds."""
    for found in objects:
        if found["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield f"{found['kind']}/{found['metadata']['name']}", found["spec"]["template"]
    yield "head", _ray_pod(cluster(objects)["headGroupSpec"]["template"], "head", "headgroup", {})
    for name, group in worker_groups(objects).items():
        yield name, _ray_pod(group["template"], "worker", name, group["labels"])


def _ray_pod(template: dict[str, Any], node_type: str, group: str, labels: dict[str, str]) -> dict[str, Any]:
    added = {"ray.io/is-ray-node": "yes", "ray.io/node-type": node_type, "ray.io/group": group, **labels}
    return {**template, "metadata": {"labels": {**template["metadata"]["labels"], **added}}}


def containers(template: dict[str, Any]) -> list[dict[str, Any]]:
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Kubernetes' LabelSelector, with the one operator that is used."""
    if not all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items()):
        return False
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In"
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    return True


def replica_bounds(deployment: dict[str, Any]) -> tuple[int, int]:
    """The fewest and the most replicas."""
    scaling = deployment.get("autoscaling_config")
    if scaling is None:
        count = deployment.get("num_replicas", 1)
        return count, count
    return scaling["min_replicas"], scaling["max_replicas"]


def memory_bytes(quantity: str) -> int:
    number, unit = quantity[:-2], quantity[-2:]
    return math.floor(float(number) * {"Mi": 2**20, "Gi": 2**30}[unit])
