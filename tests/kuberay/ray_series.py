"""Series of Ray and Ray Serve that the dashboard and the alerts ask for, with their labels.

Taken from the metrics endpoint of a running `rayscribe serve` under load (Ray 2.60.0); those of GPUs, which that
machine had not, from `METRICS_GAUGES` and `GPU_TAG_KEYS` of ray/dashboard/modules/reporter/reporter_agent.py. A new
version of Ray needs another look.
"""

_DEPLOYMENT = {"application", "deployment"}
_REPLICA = {"application", "deployment", "replica"}
_NODE = {"ip", "IsHeadNode", "RayNodeType"}
_GPU = {"ip", "GpuIndex", "GpuDeviceName"}
_RAYLET = {"Component", "NodeAddress"}

RAY_SERIES: dict[str, set[str]] = {
    "ray_serve_application_status": {"application"},
    "ray_serve_autoscaling_desired_replicas": _DEPLOYMENT,
    "ray_serve_autoscaling_target_replicas": _DEPLOYMENT,
    "ray_serve_deployment_error_counter_total": _REPLICA | {"exception_type", "route"},
    "ray_serve_deployment_queued_queries": _DEPLOYMENT | {"handle", "actor_id"},
    "ray_serve_deployment_replica_healthy": _REPLICA,
    "ray_serve_deployment_replica_starts_total": _REPLICA,
    "ray_serve_replica_processing_queries": _REPLICA,
    "ray_serve_replica_utilization_percent": _REPLICA,
    "ray_node_cpu_utilization": _NODE,
    "ray_node_mem_total": _NODE,
    "ray_node_mem_used": _NODE,
    "ray_node_gpus_utilization": _GPU,
    "ray_node_gram_available": _GPU,
    "ray_node_gram_used": _GPU,
    "ray_object_store_available_memory": _RAYLET,
    "ray_object_store_fallback_memory": _RAYLET,
    "ray_object_store_used_memory": _RAYLET,
}
