from __future__ import annotations

from pathlib import Path

import pytest
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary

from load_tests.autoscaling_graph import build_app

pytestmark = pytest.mark.unit


def test_the_graph_is_built_from_the_arguments_of_a_config(tmp_path: Path) -> None:
    arguments = {"storage": {"folder": str(tmp_path)}, "limits": {"max_requests": 24}}
    assert call_user_app_builder_with_args_if_necessary(build_app, arguments)
