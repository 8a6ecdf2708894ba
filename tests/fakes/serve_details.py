"""What Serve's controller says of applications."""

from __future__ import annotations

from ray.serve.schema import DeploymentDetails, ServeInstanceDetails


def details(trigger: str, wanted: int, *states: str, message: str = "") -> DeploymentDetails:
    """A deployment: why its status is what it is, its target, and the states of its replicas."""
    replicas = [{"replica_id": str(n), "state": state, "start_time_s": 0.0} for n, state in enumerate(states)]
    return DeploymentDetails.model_validate(
        {
            "name": "Decoder",
            "status": "UPDATING",
            "status_trigger": trigger,
            "message": message,
            "deployment_config": {"name": "Decoder"},
            "target_num_replicas": wanted,
            "required_resources": {},
            "replicas": replicas,
        }
    )


def told(**applications: tuple[str, dict[str, DeploymentDetails]]) -> ServeInstanceDetails:
    """Applications with their status and deployments."""
    actor = {"node_id": None, "node_ip": None, "actor_id": None, "actor_name": None, "worker_id": None}
    return ServeInstanceDetails.model_validate(
        {
            "controller_info": {**actor, "log_file_path": None, "node_instance_id": None},
            "proxies": {},
            "applications": {
                name: {
                    "name": name,
                    "route_prefix": None,
                    "docs_path": None,
                    "status": status,
                    "message": "",
                    "last_deployed_time_s": 0.0,
                    "deployed_app_config": None,
                    "source": "declarative",
                    "deployments": {
                        stage: found.model_dump(exclude_unset=True) for stage, found in deployments.items()
                    },
                    "external_scaler_enabled": False,
                    "deployment_topology": None,
                }
                for name, (status, deployments) in applications.items()
            },
        }
    )
