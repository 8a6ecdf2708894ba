from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ray.serve._private.build_app import build_app as built
from ray.serve.handle import DeploymentHandle

from serve_app.applications import LIMITER_PATH, placed_deployments, service_application
from serve_app.builder import build_app, build_limiter
from serve_app.serve_config import DEFAULT_CONFIG, load_config, load_settings
from serve_app.settings import AccessSettings, LimiterSettings, Settings

pytestmark = pytest.mark.unit

CONFIGS = sorted(DEFAULT_CONFIG.parent.glob("*.yaml"))
STAGES_OF_EVERY_PROFILE = {
    *("Ingress", "Limiter", "JobRunner", "Decoder", "SpeechGate", "LanguageIdentifier", "Recognizer", "Diarizer"),
    "Refiner",
}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_configs_that_ship_can_be_built(path: Path) -> None:
    assert build_app(load_settings(path))._bound_deployment.name == "Ingress"


def _deployments(path: Path) -> dict[str, dict[str, Any]]:
    written = load_config(path).model_dump(exclude_unset=True)["applications"]
    return {deployment["name"]: deployment for _, deployment in placed_deployments(written)}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_configs_that_ship_say_where_every_stage_runs(path: Path) -> None:
    assert set(_deployments(path)) == STAGES_OF_EVERY_PROFILE


def test_a_gpu_is_shared_by_the_stages_that_use_it_and_hidden_from_the_others() -> None:
    path = DEFAULT_CONFIG.parent / "gpu.yaml"
    shares = {
        name: share
        for name, deployment in _deployments(path).items()
        if (share := deployment["ray_actor_options"].get("num_gpus", 0))
    }
    assert set(shares) == {"LanguageIdentifier", "Recognizer", "Diarizer"}
    assert sum(shares.values()) == pytest.approx(1.0)
    application = service_application(load_config(path).applications)
    assert application.runtime_env["env_vars"]["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] == "1"


def _built(settings: Settings) -> tuple[set[str], DeploymentHandle]:
    """The deployments of the service's application, and the ingress' handle of the Limiter."""
    application = built(build_app(settings), name="service")
    (ingress,) = (deployment for deployment in application.deployments if deployment.name == "Ingress")
    _, _, limiter, _ = ingress.init_args
    assert isinstance(limiter, DeploymentHandle)
    return {deployment.name for deployment in application.deployments}, limiter


def test_the_limiter_is_part_of_the_graph() -> None:
    deployments, limiter = _built(Settings())
    assert "Limiter" in deployments
    assert (limiter.deployment_name, limiter.app_name) == ("Limiter", "service")


def test_the_limiter_may_be_an_application_of_its_own_which_is_not_asked_for_yet() -> None:
    """No cluster is here that could be asked: the other application may come up later."""
    deployments, limiter = _built(Settings(access=AccessSettings(limiter_application="other")))
    assert deployments == STAGES_OF_EVERY_PROFILE - {"Limiter"}
    assert (limiter.deployment_name, limiter.app_name) == ("Limiter", "other")
    (alone,) = built(build_limiter(LimiterSettings(lease_ttl_s=7.0)), name="other").deployments
    assert (alone.name, alone.init_args[0].lease_ttl_s) == ("Limiter", 7.0)


def test_a_config_file_names_the_builder_of_the_limiter_by_its_place() -> None:
    assert f"{build_limiter.__module__}:{build_limiter.__name__}" == LIMITER_PATH
