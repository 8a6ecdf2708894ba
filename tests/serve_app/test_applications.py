"""Where the Limiter may be: refusals name the place in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from serve_app.applications import LIMITER_PATH, limiter_problems, service_application
from serve_app.doctor import Verdict, examine
from serve_app.serve_config import ConfigError, load_config, load_settings

pytestmark = pytest.mark.unit

SERVICE = "serve_app.builder:build_app"
NAMED = "applications[0].args.access.limiter_application"


def service(deployments: list[dict[str, Any]] | None = None, /, **access: Any) -> dict[str, Any]:
    return {
        "name": "rayscribe",
        "import_path": SERVICE,
        "args": {"access": access},
        "deployments": deployments or [],
    }


def limiter(name: str = "limiter", **args: Any) -> dict[str, Any]:
    return {"name": name, "route_prefix": None, "import_path": LIMITER_PATH, "args": args}


def test_the_service_is_the_first() -> None:
    assert service_application([service(), limiter()])["name"] == "rayscribe"


@pytest.mark.parametrize(
    "right",
    [
        [service()],
        [service([{"name": "Limiter", "num_replicas": 1}])],
        [service(limiter_application="limiter"), limiter()],
        [service(limiter_application="limiter", lease_ttl_s=7.0), limiter(lease_ttl_s=7)],
        # Said by others: that it is no Serve config, that the settings are wrong.
        [3],
        [{"args": 3}],
        [service(limiter_aplication="limiter"), {"import_path": "a:b"}],
    ],
)
def test_one_limiter_that_is_asked_is_right(right: list[Any]) -> None:
    assert list(limiter_problems(right)) == []


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ([service(limiter_application="limiter")], f"{NAMED}: there is no application limiter in this file"),
        (
            [service(limiter_application="other"), {"name": "other", "import_path": "a:b"}],
            f"{NAMED}: the application other has no Limiter: its import_path is not {LIMITER_PATH}",
        ),
        (
            [service(limiter_application="rayscribe")],
            f"{NAMED}: the application rayscribe has no Limiter: its import_path is not {LIMITER_PATH}",
        ),
        ([service(), limiter()], f"applications[1]: this is a second Limiter, unless {NAMED} names it"),
        (
            [service(limiter_application="a"), limiter("a"), limiter("b")],
            f"applications[2]: nobody would ask this Limiter, since {NAMED} is a",
        ),
        (
            [service([{"name": "Ingress"}, {"name": "Limiter"}], limiter_application="limiter"), limiter()],
            f"applications[0].deployments[1]: the Limiter is in the application limiter, by {NAMED}",
        ),
        (
            [service(limiter_application="limiter", lease_ttl_s=9.0), limiter()],
            "applications[1].args.lease_ttl_s: 5.0, but applications[0].args.access.lease_ttl_s is 9.0",
        ),
        (
            [service(limiter_application="limiter"), limiter(lease_ttl_s=6)],
            "applications[1].args.lease_ttl_s: 6.0, but applications[0].args.access.lease_ttl_s is 5.0",
        ),
        (
            [service(limiter_application="limiter"), limiter(lease_tl_s=5)],
            "applications[1].args.lease_tl_s: Extra inputs are not permitted",
        ),
        (
            [limiter(), service(limiter_application="limiter")],
            "applications[0]: the application of the service must be the first, and this is the Limiter's",
        ),
        (
            [
                service(limiter_application="limiter"),
                {**limiter(), "deployments": [{"name": "Limiter", "num_replicas": 2}]},
            ],
            "applications[1].deployments[0]: there must be one replica of the Limiter, and never two for a while",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(wrong: list[Any], problem: str) -> None:
    assert list(limiter_problems(wrong)) == [problem]


def test_serve_and_doctor_refuse_such_a_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        yaml.safe_dump({"applications": [service(limiter_application="limiter", lease_ttl_s=9), limiter()]})
    )
    with pytest.raises(ConfigError, match=r"applications\[1\]\.args\.lease_ttl_s: 5\.0"):
        load_config(path)
    (found,) = (finding for finding in examine(config=path) if finding.name == "config")
    assert found.verdict is Verdict.FAILED
    assert "applications[1].args.lease_ttl_s: 5.0" in found.detail
    # Commands that need no graph work all the same.
    assert load_settings(path).access.lease_ttl_s == 9
