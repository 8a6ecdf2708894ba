"""What Kubernetes would run: the worker group of the RayService and the Serve config, and what one machine changes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from load_tests.recordings import CHECKOUT

SERVE_CONFIG = CHECKOUT / "configs" / "kuberay-cpu.yaml"
_RAY_SERVICE = CHECKOUT / "kuberay" / "base" / "rayservice.yaml"

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """How nodes of a group are started: labels, processors by Ray's count, and the time that a drain may take."""

    labels: str
    cpus: str
    drain_timeout_s: str


def worker_group() -> WorkerGroup:
    """The first group of kuberay/base/rayservice.yaml, which is the one without a GPU."""
    group = yaml.safe_load(_RAY_SERVICE.read_text())["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    environment = {each["name"]: each.get("value") for each in group["template"]["spec"]["containers"][0]["env"]}
    return WorkerGroup(
        labels=",".join(f"{name}={value}" for name, value in group["labels"].items()),
        cpus=group["resources"]["CPU"],
        drain_timeout_s=environment["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"],
    )


def serve_config() -> Config:
    """configs/kuberay-cpu.yaml as it is."""
    config: Config = yaml.safe_load(SERVE_CONFIG.read_text())
    return config


def on_one_machine(port: int, folder: Path) -> Config:
    """What must differ here, as a layer over the file: the port, the volume, and that this machine may be called back.

    A plan without a rate, since one user makes all of the load, and with one cap for all APIs, so that there are leases
    to lose: 60db's own lower one would keep most of the clients waiting for it.
    """
    plan = {"concurrent_requests": 64, "dialect_concurrent_requests": {}, "requests_per_minute": None}
    return {
        "http_options": {"port": port},
        "applications": [
            {
                "args": {
                    "storage": {"folder": str(folder)},
                    "sources": {"allowed_networks": ["127.0.0.0/8"]},
                    "access": {"plans": {"default": plan, "local": plan}},
                }
            }
        ],
    }


def on_two_nodes() -> Config:
    """What kuberay/README.md says of more than one machine, as a layer: a way in on each of two nodes.

    Of two replicas one goes first in an update: a third would need a third node.
    """
    ingress = {"name": "Ingress", "autoscaling_config": {"min_replicas": 2}, "max_surge_percent": 0}
    return {"applications": [{"deployments": [ingress]}]}


def layered(config: Any, layer: Any) -> Any:
    """``config`` with ``layer`` over it: mappings by key; lists of names by ``name``, other lists by position.

    A list of plain values is the layer's.
    """
    if isinstance(config, dict) and isinstance(layer, dict):
        merged = copy.deepcopy(config)
        for key, value in layer.items():
            merged[key] = layered(config[key], value) if key in config else copy.deepcopy(value)
        return merged
    if isinstance(config, list) and isinstance(layer, list) and all(isinstance(item, dict) for item in layer):
        merged_list = copy.deepcopy(config)
        for position, item in enumerate(layer):
            named = [index for index, mine in enumerate(config) if "name" in item and mine.get("name") == item["name"]]
            index = named[0] if named else position
            if index < len(merged_list):
                merged_list[index] = layered(merged_list[index], item)
            else:
                merged_list.append(copy.deepcopy(item))
        return merged_list
    return copy.deepcopy(layer)
