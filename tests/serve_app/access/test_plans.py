from __future__ import annotations

import pytest
from pydantic import ValidationError

from serve_app.access.plans import UNLIMITED, Plan
from serve_app.settings import AccessSettings

pytestmark = pytest.mark.unit


def test_the_defaults_are_those_of_the_vendors() -> None:
    plan = Plan()
    assert plan.concurrency_in("openai") == 10
    assert plan.concurrency_in("sixtydb") == 8
    assert plan.requests_per_minute == 60
    assert plan.audio_hours_per_day == 100


def test_an_api_can_lower_the_cap_and_not_raise_it() -> None:
    plan = Plan(concurrent_requests=5, dialect_concurrent_requests={"openai": 2, "sixtydb": 50})
    assert plan.concurrency_in("openai") == 2
    assert plan.concurrency_in("sixtydb") == 5
    assert plan.concurrency_in("smallest_waves") == 5


def test_without_a_cap_no_api_has_one() -> None:
    assert UNLIMITED.concurrency_in("sixtydb") is None
    with pytest.raises(ValidationError, match="needs concurrent_requests"):
        Plan(concurrent_requests=None, dialect_concurrent_requests={"sixtydb": 8})


def test_a_plan_that_the_settings_lost_is_the_default_one() -> None:
    access = AccessSettings(plans={"default": Plan(), "local": UNLIMITED})
    assert access.plan_of("local") is UNLIMITED
    assert access.plan_of("gold") == Plan()
