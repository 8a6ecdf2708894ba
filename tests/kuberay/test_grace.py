"""How long things may take adds up: requests, replicas, drains, pods, clusters, proxies."""

import pytest
import yaml

from tests.kuberay.manifests import (
    containers,
    deployments,
    memory_bytes,
    of_kind,
    rayservice,
    settings,
    worker_groups,
)
from tests.kuberay.rendering import KUBERAY, Object, rendered, with_component

pytestmark = pytest.mark.unit

# In which a replacement starts on another pod while the old one goes on serving.
_REPLACEMENT_S = 300
# Between the end of the drain and SIGKILL.
_RAY_STOPS_S = 30
_NGINX = "nginx.ingress.kubernetes.io/"


def _drain_s(group: dict[str, object]) -> float:
    (worker, *_) = group["template"]["spec"]["containers"]  # type: ignore[index]
    (value,) = (entry["value"] for entry in worker["env"] if entry["name"] == "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S")
    return float(value)


def test_an_ingress_that_stops_waits_for_its_longest_request(objects: list[Object]) -> None:
    waits_s = deployments(objects)["Ingress"]["graceful_shutdown_timeout_s"]
    assert waits_s >= settings(objects).limits.request_timeout_s + 60


def test_a_decoder_that_stops_waits_for_its_longest_call(objects: list[Object]) -> None:
    assert deployments(objects)["Decoder"]["graceful_shutdown_timeout_s"] > settings(objects).limits.max_decode_s


def test_a_draining_worker_has_time_for_its_replacements_and_then_for_its_replicas(objects: list[Object]) -> None:
    longest_s = max(found.get("graceful_shutdown_timeout_s", 20) for found in deployments(objects).values())
    for name, group in worker_groups(objects).items():
        assert _drain_s(group) >= longest_s + _REPLACEMENT_S, name


def test_a_pod_is_not_killed_before_its_drain_and_longest_request_are_over(objects: list[Object]) -> None:
    for name, group in worker_groups(objects).items():
        grace_s = group["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace_s >= _drain_s(group) + _RAY_STOPS_S, name
        assert grace_s > _REPLACEMENT_S + settings(objects).limits.request_timeout_s, name


def test_an_old_cluster_outlives_its_requests_and_live_sessions(objects: list[Object]) -> None:
    longest_s = max(settings(objects).limits.request_timeout_s, settings(objects).live.max_session_s)
    assert rayservice(objects)["spec"]["rayClusterDeletionDelaySeconds"] > longest_s


def test_ingress_nginx_allows_what_the_service_allows(objects: list[Object]) -> None:
    (ingress,) = of_kind(with_component("ingress-nginx", objects), "Ingress")
    annotations = {name.removeprefix(_NGINX): value for name, value in ingress["metadata"]["annotations"].items()}
    limits, live = settings(objects).limits, settings(objects).live
    silence_s = max(limits.request_timeout_s, live.idle_timeout_s)
    assert int(annotations["proxy-read-timeout"]) > silence_s
    assert int(annotations["proxy-send-timeout"]) > silence_s
    # nginx' m is 2^20, and forms have a little around the file.
    assert int(annotations["proxy-body-size"].removesuffix("m")) * 2**20 > limits.max_bytes
    assert annotations["proxy-request-buffering"] == annotations["proxy-buffering"] == "off"


def test_the_gateway_ends_no_request_and_no_live_session() -> None:
    """Where a route says nothing, a controller has a limit of its own."""
    (route,) = of_kind(rendered("gpu"), "HTTPRoute")
    assert [rule["timeouts"] for rule in route["spec"]["rules"]] == [{"request": "0s"}]


def test_the_readme_says_how_much_a_way_in_must_let_through(objects: list[Object]) -> None:
    way_in = (KUBERAY / "README.md").read_text().split("## The way in", 1)[1].split("\n## ", 1)[0]
    limits, live = settings(objects).limits, settings(objects).live
    assert f"{limits.max_bytes // 2**20} MiB" in way_in
    assert f"{live.max_session_s / 3600:g} h" in way_in
    assert f"{limits.request_timeout_s / 60:g} min" in way_in


def test_uploads_and_the_object_store_fit_into_a_cpu_worker(objects: list[Object]) -> None:
    limits = settings(objects).limits
    worker = containers(worker_groups(objects)["cpu"]["template"])[-1]
    memory = memory_bytes(worker["resources"]["limits"]["memory"])
    # Ray takes 30 % for its object store, which is on /dev/shm and counts.
    assert limits.max_requests * limits.max_bytes < 0.7 * memory


def test_requests_of_ray_pods_are_their_limits_in_memory(objects: list[Object]) -> None:
    """Ray takes the limit for what the node has."""
    for group in worker_groups(objects).values():
        for container in containers(group["template"]):
            resources = container["resources"]
            assert resources["requests"]["memory"] == resources["limits"]["memory"]


def test_the_comment_that_adds_it_up_has_the_numbers(objects: list[Object]) -> None:
    comment = (KUBERAY / "base" / "rayservice.yaml").read_text().split("apiVersion", 1)[0]
    group = worker_groups(objects)["cpu"]
    for number in (
        deployments(objects)["Ingress"]["graceful_shutdown_timeout_s"],
        int(_drain_s(group)),
        group["template"]["spec"]["terminationGracePeriodSeconds"],
    ):
        assert f"{number} s" in comment
    assert yaml.safe_load(comment) is None
