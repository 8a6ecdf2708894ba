"""Every object against the schema of its kind, closed to names that it does not know.

KubeRay's schema is not in any package: the test takes it from a folder beside the checkout, or from the one that
KUBERAY_SCHEMAS names, where `ray.io_rayservices.v1.schema.json` is `spec.versions[0].schema.openAPIV3Schema` of
`kubectl get crd rayservices.ray.io -o json`.

The Gateway API's is in no package for Python either. Of its fields those that are used are written down here, as
https://gateway-api.sigs.k8s.io/reference/spec/ has them (v1).
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pydantic
import pytest
from cloudcoil.models.prometheus_operator.v1 import PodMonitor, PrometheusRule
from cloudcoil.resources import Resource

from tests.kuberay.manifests import of_kind, rayservice
from tests.kuberay.rendering import ROOT, Object, rendered, with_component

pytestmark = pytest.mark.unit

# The oldest and the newest that README.md names.
KUBERNETES_VERSIONS = ("1.31", "1.37")
_SCHEMAS = Path(os.environ.get("KUBERAY_SCHEMAS", ROOT.parent / "shared" / "kuberay-crd"))
_RAYSERVICE_SCHEMA = _SCHEMAS / "ray.io_rayservices.v1.schema.json"

# Kinds that Kubernetes itself does not have.
_CUSTOM = {"RayService", "PodMonitor", "PrometheusRule", "Gateway", "HTTPRoute"}


def _map(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _several(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1}


_TEXT = {"type": "string", "minLength": 1}
_HOSTNAME = {"type": "string", "pattern": r"^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$"}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_DURATION = {"type": "string", "pattern": r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
_LISTENER = _map(
    "name",
    "port",
    "protocol",
    name=_TEXT,
    port=_PORT,
    protocol={"enum": ["HTTP", "HTTPS", "TLS", "TCP", "UDP"]},
    hostname=_HOSTNAME,
    tls=_map(mode={"enum": ["Terminate", "Passthrough"]}, certificateRefs=_several(_map("name", name=_TEXT))),
)
_RULE = _map(
    backendRefs=_several(_map("name", name=_TEXT, port=_PORT)),
    timeouts=_map(request=_DURATION, backendRequest=_DURATION),
)
_GATEWAY_API = {
    "Gateway": _map("gatewayClassName", "listeners", gatewayClassName=_TEXT, listeners=_several(_LISTENER)),
    "HTTPRoute": _map(
        parentRefs=_several(_map("name", name=_TEXT, namespace=_TEXT, sectionName=_TEXT)),
        hostnames=_several(_HOSTNAME),
        rules=_several(_RULE),
    ),
}

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
    for found in with_component("ingress-nginx", with_component("tracing", objects)):
        if found["kind"] not in _CUSTOM:
            kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.parametrize("kind", _GATEWAY_API)
def test_the_way_in_is_what_the_gateway_api_knows(kind: str) -> None:
    (found,) = of_kind(rendered("gpu"), kind)
    assert found["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert found.keys() == {"apiVersion", "kind", "metadata", "spec"}
    jsonschema.validate(found["spec"], _GATEWAY_API[kind])


@pytest.mark.parametrize("model", [PodMonitor, PrometheusRule])
def test_monitoring_is_what_the_prometheus_operator_knows(model: type[Resource]) -> None:
    found = of_kind(rendered("gpu"), model.__name__)
    assert found
    for each in found:
        assert _read_back(model, each) == each


@pytest.mark.parametrize(("name", "value"), [("for", "ten minutes"), ("expr", None), ("lables", {"severity": "page"})])
def test_mistakes_in_alerts_are_found(name: str, value: object) -> None:
    (found,) = of_kind(rendered("gpu"), "PrometheusRule")
    broken = json.loads(json.dumps(found))
    broken["spec"]["groups"][0]["rules"][0][name] = value
    with contextlib.suppress(pydantic.ValidationError):
        assert _read_back(PrometheusRule, broken) != broken


def _read_back(model: type[Resource], found: Object) -> Object:
    """What the operator's model keeps of an object: it does not refuse names that it does not know, but loses them."""
    kept: Object = model.model_validate(found).model_dump(mode="json", by_alias=True, exclude_unset=True)
    return kept
