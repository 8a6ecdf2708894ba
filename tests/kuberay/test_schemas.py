"""Every object against the schema of its kind, closed to names that it does not know.

KubeRay's schema is not in any package: the test takes it from a folder beside the checkout, or from the one that
KUBERAY_SCHEMAS names, where `ray.io_rayservices.v1.schema.json` is `spec.versions[0].schema.openAPIV3Schema` of
`kubectl get crd rayservices.ray.io -o json`.
"""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from tests.kuberay.manifests import of_kind, rayservice
from tests.kuberay.rendering import ROOT, Object, with_component

pytestmark = pytest.mark.unit

# The oldest and the newest that README.md names.
KUBERNETES_VERSIONS = ("1.31", "1.37")
_SCHEMAS = Path(os.environ.get("KUBERAY_SCHEMAS", ROOT.parent / "shared" / "kuberay-crd"))
_RAYSERVICE_SCHEMA = _SCHEMAS / "ray.io_rayservices.v1.schema.json"

needs_kuberay_schema = pytest.mark.skipif(not _RAYSERVICE_SCHEMA.exists(), reason="KubeRay's schema is not here")


def _closed(schema: Any) -> Any:
    """The schema with every object closed to unknown names: the API server drops those without a word."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(item) for name, item in schema.items()}
    is_open = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not is_open:
        closed["additionalProperties"] = False
    return closed


def _problems(found: Object) -> list[str]:
    schema = _closed(json.loads(_RAYSERVICE_SCHEMA.read_text()))
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(found)]


@needs_kuberay_schema
def test_the_rayservice_is_what_kuberay_knows(objects: list[Object]) -> None:
    assert _problems(rayservice(objects)) == []


@needs_kuberay_schema
@pytest.mark.parametrize(
    ("place", "value"), [("rayVersions", "2.60.0"), ("enableInTreeAutoscaling", "yes"), ("headGroupSpec", {})]
)
def test_mistakes_are_found(objects: list[Object], place: str, value: object) -> None:
    found = json.loads(json.dumps(rayservice(objects)))
    found["spec"]["rayClusterConfig"][place] = value
    assert _problems(found)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_objects_are_what_kubernetes_knows(objects: list[Object], version: str) -> None:
    for found in with_component("tracing", objects):
        if found["kind"] not in ("RayService", "PodMonitor", "PrometheusRule"):
            kubernetes_validate.validate(found, version, strict=True)


def test_pod_monitors_have_the_form_of_the_prometheus_operator(objects: list[Object]) -> None:
    for found in of_kind(objects, "PodMonitor"):
        assert found["apiVersion"] == "monitoring.coreos.com/v1"
        spec = found["spec"]
        assert spec.keys() == {"selector", "podTargetLabels", "podMetricsEndpoints"}
        assert all(endpoint.keys() == {"port"} for endpoint in spec["podMetricsEndpoints"])
