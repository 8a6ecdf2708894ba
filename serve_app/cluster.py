"""What a replica asks the Ray cluster that it runs in."""

from __future__ import annotations

import ray
from ray.serve.context import _get_global_client


def http_host() -> str:
    """The address that this cluster's HTTP proxies listen on."""
    client = _get_global_client()
    return str(client.http_config.host)


def alive_nodes() -> int:
    """How many machines (or pods) the cluster has now."""
    return sum(1 for node in ray.nodes() if node["Alive"])
