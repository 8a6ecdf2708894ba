from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serve_app.builder import build_app
from serve_app.serve_config import DEFAULT_CONFIG, load_config, load_settings

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
    (application,) = load_config(path).applications
    return {deployment.name: deployment.model_dump(exclude_unset=True) for deployment in application.deployments}


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
    (application,) = load_config(path).applications
    assert application.runtime_env["env_vars"]["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] == "1"
