from __future__ import annotations

import json
from typing import Any

import pytest

from deployments.errors import BodyTooSlow
from serve_app.dialects import sixtydb_errors, smallest_selfhost_errors, smallest_waves_errors
from serve_app.dialects.errors import ErrorForm
from serve_app.dialects.openai import errors as openai_errors

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "form",
    [module.error_body for module in (openai_errors, sixtydb_errors, smallest_selfhost_errors, smallest_waves_errors)],
)
def test_every_dialect_has_a_word_for_it(form: ErrorForm) -> None:
    status, body = form(BodyTooSlow())
    told: dict[str, Any] = body
    assert status == 408
    assert "did not come in time" in json.dumps(told)
    assert "timeout" in json.dumps(told).lower()
