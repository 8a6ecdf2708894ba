"""Who may connect to whom, by the rules of NetworkPolicy: a pod that a policy selects gets only what one allows."""

from typing import Any

import pytest

from tests.kuberay.manifests import of_kind, pod_templates, selects
from tests.kuberay.rendering import Object, rendered, with_component

pytestmark = pytest.mark.unit

_NAMESPACE = "kubernetes.io/metadata.name"
_OPERATOR = ("kuberay-system", {"app.kubernetes.io/name": "kuberay-operator"})
_PROMETHEUS = ("monitoring", {"app.kubernetes.io/name": "prometheus"})
_GATEWAY = ("envoy-gateway-system", {"app.kubernetes.io/name": "envoy"})
_NGINX = ("ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"})
_KUBE_DNS = ("kube-system", {"k8s-app": "kube-dns"})
_OPENSHIFT_DNS = ("openshift-dns", {"dns.operator.openshift.io/daemonset-dns": "default"})
_STRANGER = ("rayscribe", {"app": "something-else"})
_RAY_PORTS = (6379, 8265, 10001, 52365, 10002)

Pod = tuple[str, dict[str, str]]
# Such as a cache for name service on each node: no selector matches what is on a node's own network.
_NODE = None


def _pod(objects: list[Object], name: str) -> Pod:
    return "rayscribe", dict(pod_templates(objects))[name]["metadata"]["labels"]


def _is_peer(peer: dict[str, Any], pod: Pod | None) -> bool:
    assert peer.keys() <= {"namespaceSelector", "podSelector"}
    if pod is None:
        return False
    namespace, labels = pod
    in_namespace = (
        selects(peer["namespaceSelector"], {_NAMESPACE: namespace})
        if "namespaceSelector" in peer
        else namespace == "rayscribe"
    )
    return in_namespace and selects(peer.get("podSelector", {}), labels)


def _allowed(
    objects: list[Object], direction: str, subject: Pod, other: Pod | None, port: int, protocol: str = "TCP"
) -> bool:
    policies = [
        found["spec"]
        for found in of_kind(objects, "NetworkPolicy")
        if direction in found["spec"]["policyTypes"]
        and subject[0] == "rayscribe"
        and selects(found["spec"]["podSelector"], subject[1])
    ]
    rules = [rule for policy in policies for rule in policy.get(direction.lower(), [])]
    peers = "from" if direction == "Ingress" else "to"
    return not policies or any(
        (peers not in rule or any(_is_peer(peer, other) for peer in rule[peers]))
        and ("ports" not in rule or (protocol, port) in {(found["protocol"], found["port"]) for found in rule["ports"]})
        for rule in rules
    )


def _reaches(objects: list[Object], source: Pod, target: Pod, port: int) -> bool:
    return _allowed(objects, "Egress", source, target, port) and _allowed(objects, "Ingress", target, source, port)


@pytest.fixture(scope="module")
def gpu() -> list[Object]:
    return rendered("gpu")


def test_strangers_reach_nothing(objects: list[Object]) -> None:
    for name, _ in pod_templates(objects):
        for port in (*_RAY_PORTS, 8000, 8080, 5432):
            assert not _reaches(objects, _STRANGER, _pod(objects, name), port), (name, port)


def test_ray_nodes_reach_each_other(objects: list[Object]) -> None:
    names = [name for name, template in pod_templates(objects) if "ray.io/group" in template["metadata"]["labels"]]
    assert len(names) >= 2
    for source in names:
        for target in names:
            for port in _RAY_PORTS:
                assert _reaches(objects, _pod(objects, source), _pod(objects, target), port)


def test_the_operator_reaches_the_dashboard_and_nothing_else(objects: list[Object]) -> None:
    assert _reaches(objects, _OPERATOR, _pod(objects, "head"), 8265)
    assert not _reaches(objects, _OPERATOR, _pod(objects, "head"), 10001)
    assert not _reaches(objects, _OPERATOR, _pod(objects, "cpu"), 8265)


@pytest.mark.parametrize(
    ("component", "proxy"), [("gateway", _GATEWAY), ("ingress-nginx", _NGINX)], ids=["gateway", "ingress-nginx"]
)
def test_a_way_in_leads_to_the_http_port_of_workers(component: str, proxy: Pod) -> None:
    closed = rendered("cpu")
    objects = with_component(component, closed)
    assert not _reaches(closed, proxy, _pod(closed, "cpu"), 8000)
    assert _reaches(objects, proxy, _pod(objects, "cpu"), 8000)
    assert not any(_reaches(objects, proxy, _pod(objects, "cpu"), port) for port in _RAY_PORTS)
    assert not any(_reaches(objects, proxy, _pod(objects, "head"), port) for port in (8000, *_RAY_PORTS))


def test_traffic_can_move_from_ingress_nginx_to_the_gateway(gpu: list[Object]) -> None:
    both = with_component("ingress-nginx", gpu)
    names = [(found["kind"], found["metadata"]["name"]) for found in both]
    assert len(names) == len(set(names))
    for name in ("cpu", "gpu-asr", "gpu-diarization"):
        assert _reaches(gpu, _GATEWAY, _pod(gpu, name), 8000)
        assert not _reaches(gpu, _NGINX, _pod(gpu, name), 8000)
        assert all(_reaches(both, proxy, _pod(both, name), 8000) for proxy in (_GATEWAY, _NGINX))


def test_prometheus_reaches_metrics_and_nothing_else(gpu: list[Object]) -> None:
    assert all(_reaches(gpu, _PROMETHEUS, _pod(gpu, "head"), port) for port in (8080, 44217, 44227))
    assert _reaches(gpu, _PROMETHEUS, _pod(gpu, "gpu-asr"), 8080)
    assert not any(_reaches(gpu, _PROMETHEUS, _pod(gpu, "head"), port) for port in _RAY_PORTS)


@pytest.mark.parametrize(("where", "port"), [(_KUBE_DNS, 53), (_NODE, 53), (_OPENSHIFT_DNS, 5353)])
@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
@pytest.mark.parametrize("name", ["gpu-asr", "gpu-diarization", "gpu-llm"])
def test_gpu_workers_reach_name_service(
    gpu: list[Object], name: str, where: Pod | None, port: int, protocol: str
) -> None:
    assert _allowed(gpu, "Egress", _pod(gpu, name), where, port, protocol)


@pytest.mark.parametrize("where", [("elsewhere", {}), _KUBE_DNS, _NODE])
@pytest.mark.parametrize("name", ["gpu-asr", "gpu-diarization", "gpu-llm"])
def test_gpu_workers_reach_no_other_port_outside_ray(gpu: list[Object], name: str, where: Pod | None) -> None:
    assert not any(_allowed(gpu, "Egress", _pod(gpu, name), where, port) for port in (80, 443, 5432, 6379, 8265))
    assert not _allowed(gpu, "Egress", _pod(gpu, name), where, 443, "UDP")
    assert _allowed(gpu, "Egress", _pod(gpu, "cpu"), where, 443)


def test_with_traces_gpu_workers_reach_the_collector_besides(gpu: list[Object]) -> None:
    traced, collector = with_component("tracing", gpu), ("observability", {"app.kubernetes.io/name": "collector"})
    for name in ("gpu-asr", "gpu-diarization", "gpu-llm"):
        assert not _reaches(gpu, _pod(gpu, name), collector, 4318)
        assert _reaches(traced, _pod(traced, name), collector, 4318)
        assert not _reaches(traced, _pod(traced, name), collector, 443)
        assert not _reaches(traced, _pod(traced, name), ("elsewhere", {}), 4318)


def test_the_stores_of_the_demo_are_for_the_service_alone() -> None:
    objects = rendered("cpu")
    postgres, redis = "StatefulSet/rayscribe-postgres", "StatefulSet/rayscribe-redis"
    assert _reaches(objects, _pod(objects, "cpu"), _pod(objects, postgres), 5432)
    assert _reaches(objects, _pod(objects, "Deployment/rayscribe-admin"), _pod(objects, postgres), 5432)
    assert _reaches(objects, _pod(objects, "head"), _pod(objects, redis), 6379)
    assert not _reaches(objects, _STRANGER, _pod(objects, redis), 6379)
