from __future__ import annotations

from typing import Any

import pytest
from ray.serve._private.build_app import build_app as built

from serve_app.builder import build_app
from serve_app.engine_settings import RecognitionSettings
from serve_app.settings import LimitSettings, Settings

pytestmark = pytest.mark.unit


def test_limits_of_the_settings_reach_their_stages() -> None:
    settings = Settings(
        recognition=RecognitionSettings(max_queued_s=77.0, max_batch_padded_s=66.0, max_batch_items=5),
        limits=LimitSettings(max_decode_s=55.0),
    )
    args: dict[str, Any] = {each.name: each.init_args for each in built(build_app(settings), name="s").deployments}
    limits = args["Recognizer"][0].limits
    assert (limits.max_queued_s, limits.max_padded_s, limits.max_items) == (77.0, 66.0, 5)
    assert args["Decoder"][0].max_wall_s == 55.0
