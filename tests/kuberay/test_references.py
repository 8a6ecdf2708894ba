"""Names that one object has for another: Secrets, ConfigMaps, volumes, ports, labels, Services."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kuberay.manifests import (
    cluster,
    containers,
    of_kind,
    pod_templates,
    rayservice,
    selects,
    settings,
    worker_groups,
)
from tests.kuberay.rendering import KUBERAY, ROOT, Object, rendered, with_component

pytestmark = pytest.mark.unit

# KubeRay makes it for the RayService, with the ports that are named `serve`.
_SERVE_SERVICE = "rayscribe-serve-svc"
# Likewise, with the cluster that serves behind it.
_HEAD_SERVICE = "rayscribe-head-svc"
_RUNBOOK = ROOT / "docs" / "runbook.md"


def _values_of(value: Any, key: str) -> Iterator[Any]:
    if isinstance(value, dict):
        for name, item in value.items():
            if name == key:
                yield item
            yield from _values_of(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _values_of(item, key)


def _secrets(objects: list[Object]) -> set[str]:
    """Every Secret that the objects name, in whichever way."""
    references = (*_values_of(objects, "secretRef"), *_values_of(objects, "secretKeyRef"))
    certificates = (each for found in _values_of(objects, "certificateRefs") for each in found)
    return {*(reference["name"] for reference in (*references, *certificates)), *_values_of(objects, "secretName")}


def test_the_readme_says_how_to_make_every_secret(objects: list[Object]) -> None:
    readme = (KUBERAY / "README.md").read_text()
    made = set(re.findall(r"kubectl create secret (?:generic|tls) (\S+)", readme))
    assert _secrets(with_component("ingress-nginx", objects)) <= made


def test_secrets_are_made_with_the_keys_that_are_read(objects: list[Object]) -> None:
    readme = (KUBERAY / "README.md").read_text()
    for reference in _values_of(objects, "secretKeyRef"):
        command = re.search(rf"kubectl create secret generic {reference['name']}(?:[^\n]*\\\n)*[^\n]*", readme)
        assert command is not None
        assert f"--from-literal={reference['key']}=" in command[0]
    assert cluster(objects)["authOptions"] == {"mode": "token", "secretName": "rayscribe-ray-token"}
    assert "rayscribe-ray-token --from-literal=auth_token=" in readme


def test_no_secret_is_in_the_repository(objects: list[Object]) -> None:
    assert of_kind(objects, "Secret") == []
    for container in (container for _, template in pod_templates(objects) for container in containers(template)):
        for entry in container.get("env", []):
            is_secret = re.search("PASSWORD|TOKEN|KEY", entry["name"]) is not None
            assert "valueFrom" in entry or not is_secret, entry


def test_only_who_needs_a_secret_has_it(objects: list[Object]) -> None:
    """Weights from elsewhere run in the GPU workers; the hub's token is for the Job that fetches them."""
    held = {name: _secrets([template]) for name, template in pod_templates(objects)}
    assert all(not secrets for name, secrets in held.items() if name == "head" or name.startswith("gpu-"))
    assert {name for name, secrets in held.items() if "rayscribe-hub" in secrets} <= {"Job/rayscribe-models"}
    assert held["cpu"] == {"rayscribe-database", "rayscribe-s3", "rayscribe-llm"}


def test_volumes_and_config_maps_are_there(objects: list[Object]) -> None:
    claims = {found["metadata"]["name"] for found in of_kind(objects, "PersistentVolumeClaim")}
    config_maps = {found["metadata"]["name"] for found in of_kind(objects, "ConfigMap")}
    own_claims = {
        (f"StatefulSet/{found['metadata']['name']}", claim["metadata"]["name"])
        for found in of_kind(objects, "StatefulSet")
        for claim in found["spec"]["volumeClaimTemplates"]
    }
    for name, template in pod_templates(objects):
        volumes = {volume["name"]: volume for volume in template["spec"].get("volumes", [])}
        for volume in volumes.values():
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims, name
            if "configMap" in volume:
                assert volume["configMap"]["name"] in config_maps, name
        mounted = {mount["name"] for container in containers(template) for mount in container.get("volumeMounts", [])}
        assert {volume for volume in mounted if (name, volume) not in own_claims} == volumes.keys(), name


def test_only_the_head_runs_under_another_account_and_the_readme_gives_it_the_registrys_secret(
    objects: list[Object],
) -> None:
    """KubeRay makes the head's account for Ray's autoscaler; a patch of `default` reaches the others."""
    assert not list(_values_of(objects, "serviceAccountName"))
    assert cluster(objects)["enableInTreeAutoscaling"] is True
    (block,) = re.findall(r"```yaml\n(# under patches:.*?)```", (KUBERAY / "README.md").read_text(), re.DOTALL)
    (entry,) = yaml.safe_load(block)
    assert entry["target"] == {"kind": "RayService", "name": rayservice(objects)["metadata"]["name"]}
    (operation,) = yaml.safe_load(entry["patch"])
    *parents, last = operation["path"].lstrip("/").split("/")
    target = rayservice(objects)
    for name in parents:
        target = target[name]
    assert target is cluster(objects)["headGroupSpec"]["template"]["spec"]
    assert (operation["op"], last) == ("add", "imagePullSecrets")


def test_a_jobs_image_can_be_changed_because_the_old_job_is_gone(objects: list[Object]) -> None:
    """A Job's pod template is immutable, so an apply with a new image fails beside the old one."""
    for job in of_kind(objects, "Job"):
        assert 300 <= job["spec"]["ttlSecondsAfterFinished"] <= 3600


def test_what_the_readme_applies_first_is_what_the_job_for_models_needs() -> None:
    readme = (KUBERAY / "README.md").read_text()
    (selector,) = set(re.findall(r"kubectl apply .*overlays/gpu -l (\S+)", readme))
    (name, value) = selector.split("=")
    objects = rendered("gpu")
    first = [found for found in objects if found["metadata"].get("labels", {}).get(name) == value]
    (template,) = (template for who, template in pod_templates(objects) if who == "Job/rayscribe-models")
    volumes = template["spec"]["volumes"]
    assert {(found["kind"], found["metadata"]["name"]) for found in first} == {
        ("Job", "rayscribe-models"),
        *(("PersistentVolumeClaim", claim["claimName"]) for claim in _values_of(volumes, "persistentVolumeClaim")),
        *(("ConfigMap", config_map["name"]) for config_map in _values_of(volumes, "configMap")),
    }


def test_every_worker_reads_where_traces_go_and_starts_without(objects: list[Object]) -> None:
    made = of_kind(with_component("tracing", objects), "ConfigMap")
    (tracing,) = (found for found in made if "OTEL_EXPORTER_OTLP_ENDPOINT" in found["data"])
    templates = dict(pod_templates(objects))
    for name in worker_groups(objects):
        sources = templates[name]["spec"]["containers"][0]["envFrom"]
        reference = {"name": tracing["metadata"]["name"], "optional": True}
        assert [source["configMapRef"] for source in sources if "configMapRef" in source] == [reference], name


def test_the_folders_of_the_settings_are_mounted(objects: list[Object]) -> None:
    def mounts(template: dict[str, Any]) -> dict[str, bool]:
        worker = template["spec"]["containers"][0]
        return {mount["mountPath"]: mount.get("readOnly", False) for mount in worker["volumeMounts"]}

    templates = dict(pod_templates(objects))
    found = settings(objects)
    if found.storage.folder is not None:
        assert mounts(templates["cpu"])[found.storage.folder] is False
    else:
        assert found.storage.audio_url is not None
    if found.models.folder is not None:
        assert found.models.offline
        assert mounts(templates["Job/rayscribe-models"])[found.models.folder] is False
        assert all(mounts(templates[name])[found.models.folder] for name in worker_groups(objects) if name != "cpu")


def test_commands_in_pods_read_the_config_that_is_mounted(objects: list[Object]) -> None:
    seen = 0
    for _, template in pod_templates(objects):
        for container in containers(template):
            for path in re.findall(r"--config,? (\S+)", " ".join(container.get("command", []))):
                (mount,) = (found for found in container["volumeMounts"] if path.startswith(found["mountPath"]))
                assert (mount["name"], path) == ("serve-config", f"{mount['mountPath']}/serve.yaml")
                seen += 1
    assert seen >= 1


def test_selectors_select_the_pods_that_they_are_for(objects: list[Object]) -> None:
    labels = [template["metadata"]["labels"] for _, template in pod_templates(objects)]
    kinds = ("NetworkPolicy", "PodDisruptionBudget", "PodMonitor", "Deployment", "StatefulSet")
    for found in objects:
        if found["kind"] in kinds:
            selector = found["spec"].get("selector") or found["spec"]["podSelector"]
            assert any(selects(selector, have) for have in labels), found["metadata"]["name"]
    for service in of_kind(objects, "Service"):
        assert any(selects({"matchLabels": service["spec"]["selector"]}, have) for have in labels)


def test_the_runbook_lists_the_rayservice_its_clusters_and_all_its_pods(objects: list[Object]) -> None:
    (selector,) = re.findall(r"get rayservice,raycluster,pods -l (\S+)", _RUNBOOK.read_text())
    wanted = {"matchLabels": dict([selector.split("=")])}
    # KubeRay gives the labels of a RayService to its RayClusters.
    assert selects(wanted, rayservice(objects)["metadata"].get("labels", {}))
    assert all(selects(wanted, template["metadata"]["labels"]) for _, template in pod_templates(objects))


@pytest.mark.parametrize("page", [KUBERAY / "README.md", _RUNBOOK], ids=["README", "runbook"])
def test_commands_in_the_head_are_for_one_cluster(page: Path) -> None:
    """For an hour after an upgrade there are two heads, and others where the namespace is shared."""
    text = page.read_text()
    assert f"service/{_HEAD_SERVICE} -- serve status" in text
    selectors = re.findall(r"-l (\S*ray\.io/node-type=head\S*)", text)
    assert all("ray.io/cluster=" in selector for selector in selectors)


def test_pod_monitors_name_ports_that_all_of_their_pods_have(objects: list[Object]) -> None:
    for monitor in of_kind(objects, "PodMonitor"):
        for name, template in pod_templates(objects):
            if selects(monitor["spec"]["selector"], template["metadata"]["labels"]):
                ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
                assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= ports, name


def test_the_service_that_kuberay_makes_leads_to_the_http_port_of_workers(objects: list[Object]) -> None:
    assert f"{rayservice(objects)['metadata']['name']}-serve-svc" == _SERVE_SERVICE
    for group in worker_groups(objects).values():
        assert {"name": "serve", "containerPort": 8000} in group["template"]["spec"]["containers"][0]["ports"]


def test_the_gateway_leads_to_the_service_that_kuberay_makes() -> None:
    objects = rendered("gpu")
    (gateway,), (route,) = of_kind(objects, "Gateway"), of_kind(objects, "HTTPRoute")
    (listener,) = gateway["spec"]["listeners"]
    # Keys travel in every request.
    assert (listener["protocol"], listener["port"]) == ("HTTPS", 443)
    assert route["spec"]["parentRefs"] == [{"name": gateway["metadata"]["name"], "sectionName": listener["name"]}]
    assert route["spec"]["hostnames"] == [listener["hostname"]]
    (rule,) = route["spec"]["rules"]
    assert rule["backendRefs"] == [{"name": _SERVE_SERVICE, "port": 8000}]
    assert "matches" not in rule, "every path"


def test_the_ingress_leads_to_the_service_that_kuberay_makes(objects: list[Object]) -> None:
    (ingress,) = of_kind(with_component("ingress-nginx", objects), "Ingress")
    for rule in ingress["spec"]["rules"]:
        (path,) = rule["http"]["paths"]
        assert path["backend"]["service"] == {"name": _SERVE_SERVICE, "port": {"number": 8000}}
        assert rule["host"] in ingress["spec"]["tls"][0]["hosts"]


def test_redis_of_the_demo_is_where_ray_looks_for_it(objects: list[Object]) -> None:
    services = {found["metadata"]["name"]: found["spec"]["ports"][0]["port"] for found in of_kind(objects, "Service")}
    address = cluster(objects)["gcsFaultToleranceOptions"]["redisAddress"]
    if "rayscribe-redis" in services:
        assert address == f"redis://rayscribe-redis:{services['rayscribe-redis']}"
    else:
        assert "example.com" in address


def test_groups_that_never_have_one_pod_have_a_budget_and_others_have_none(objects: list[Object]) -> None:
    budgets = {
        found["spec"]["selector"]["matchLabels"]["ray.io/group"]: found["spec"]
        for found in of_kind(objects, "PodDisruptionBudget")
    }
    fewest = {name: group["minReplicas"] for name, group in worker_groups(objects).items()}
    assert budgets.keys() == {name for name, count in fewest.items() if count >= 2}
    for name, budget in budgets.items():
        assert 1 <= budget["minAvailable"] < fewest[name]
        assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_groups_are_spread_by_their_own_label(objects: list[Object]) -> None:
    templates = dict(pod_templates(objects))
    for name in worker_groups(objects):
        constraints = templates[name]["spec"]["topologySpreadConstraints"]
        assert [found["topologyKey"] for found in constraints] == [
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        ]
        for found in constraints:
            labels = {who: template["metadata"]["labels"] for who, template in templates.items()}
            assert [who for who, have in labels.items() if selects(found["labelSelector"], have)] == [name]


def test_no_pod_runs_as_root_or_may_become_it(objects: list[Object]) -> None:
    for name, template in pod_templates(objects):
        pod = template["spec"]["securityContext"]
        assert pod["runAsNonRoot"] is True, name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in containers(template):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
        # Only the head talks to Kubernetes: Ray's autoscaler runs there.
        assert name == "head" or template["spec"]["automountServiceAccountToken"] is False


def test_rules_that_the_operator_has_beyond_its_schema(objects: list[Object]) -> None:
    found = cluster(objects)
    assert len(rayservice(objects)["metadata"]["name"]) <= 47
    for name, group in worker_groups(objects).items():
        assert group["minReplicas"] <= group["maxReplicas"], name
        assert not ({"num-cpus", "num-gpus", "memory", "resources", "labels"} & group["rayStartParams"].keys()), name
        assert group["template"]["spec"]["containers"][0]["name"] == "ray-worker", name
        assert "restartPolicy" not in group["template"]["spec"], name
    head = found["headGroupSpec"]
    assert all(isinstance(value, str) for value in head["rayStartParams"].values())
    assert {"serve", "metrics", "as-metrics", "dash-metrics"} <= {
        port["name"] for port in head["template"]["spec"]["containers"][0]["ports"]
    }
