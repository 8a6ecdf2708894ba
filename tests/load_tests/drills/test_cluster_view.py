"""Serve's own account of itself, as far as drills go by it."""

from __future__ import annotations

from typing import Any

import pytest

from load_tests.drills.cluster import view_of

pytestmark = pytest.mark.unit


def details(*states: str, status: str = "HEALTHY", wanted: int = 1) -> dict[str, Any]:
    replicas = [{"state": state, "pid": 100 + number} for number, state in enumerate(states)]
    decoder = {"status": status, "message": "", "target_num_replicas": wanted, "replicas": replicas}
    return {
        "applications": {"rayscribe": {"status": "RUNNING", "deployments": {"Decoder": decoder}}},
        "proxies": {"node": {"status": "HEALTHY"}},
    }


def test_it_is_settled_when_each_deployment_runs_as_many_as_it_is_to() -> None:
    view = view_of(details("RUNNING"))
    assert view.is_settled
    assert [replica.pid for replica in view.running("Decoder")] == [100]
    assert view.proxies == ("HEALTHY",)


@pytest.mark.parametrize(
    "unsettled",
    [
        details("RUNNING", "STOPPING"),
        details("STARTING"),
        details(),
        details("RUNNING", wanted=2),
        details("RUNNING", status="UPDATING"),
    ],
)
def test_it_is_not_while_anything_comes_or_goes(unsettled: dict[str, Any]) -> None:
    assert not view_of(unsettled).is_settled


def test_it_is_not_while_any_application_is_not() -> None:
    """The Limiter may be one of its own."""
    limiter = details("RUNNING", status="UPDATING")["applications"]["rayscribe"]["deployments"]["Decoder"]
    for status, stage in (("DEPLOYING", limiter), ("RUNNING", limiter), ("DEPLOY_FAILED", limiter)):
        two = details("RUNNING")
        two["applications"]["limiter"] = {"status": status, "deployments": {"Limiter": stage}}
        view = view_of(two)
        assert (view.status, view.is_settled) == (status, False)
        assert view.homes == {"Decoder": "rayscribe", "Limiter": "limiter"}
        assert [replica.deployment for replica in view.replicas] == ["Decoder", "Limiter"]


def test_what_was_never_deployed_is_not_settled() -> None:
    assert not view_of({"applications": {}, "proxies": {}}).is_settled
