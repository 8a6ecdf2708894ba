"""What a replica, or who started it, asks the Ray cluster that it runs in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import ray
from ray.serve.context import _get_global_client, _get_serve_request_context, _serve_request_context


def http_host() -> str:
    """The address that this cluster's HTTP proxies listen on."""
    client = _get_global_client()
    return str(client.http_config.host)


def alive_nodes() -> int:
    """How many machines (or pods) the cluster has now."""
    return sum(1 for node in ray.nodes() if node["Alive"])


def metrics_urls() -> tuple[str, ...]:
    """Where the nodes offer their metrics (docs/metrics.md); nothing of a node that offers none."""
    return tuple(
        f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        for node in ray.nodes()
        if node["Alive"] and node["MetricsExportPort"] > 0
    )


def logs_folder() -> Path:
    """Where Serve's processes on this node write their logs (docs/logs.md)."""
    return Path(ray._private.worker.global_worker.node.get_logs_dir_path()) / "serve"


def is_draining() -> bool:
    """Whether Serve has asked the replica of this process to finish what it has and stop.

    Serve tells user code nothing of it before its last request has ended, so this looks at the replica itself; the
    version of Ray is pinned, and a test drains a replica with a live session on it.
    """
    worker = ray._private.worker.global_worker
    replica = worker.actors.get(worker.actor_id)
    return bool(replica is not None and replica._replica_impl._shutting_down)


def adopt_request_id(request_id: str) -> None:
    """Serve's log has this id in the lines of this task from now on, and in those of stages that it calls.

    Serve takes the id from the request's header as it is, and has none for work outside of requests. There is no public
    way; the version of Ray is pinned, and tests look for the id in the lines of stages.
    """
    context = _get_serve_request_context()
    if context.request_id != request_id:
        _serve_request_context.set(dataclasses.replace(context, request_id=request_id))
