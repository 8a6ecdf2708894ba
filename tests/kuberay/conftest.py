"""The rendered overlays, made once, and a PostgreSQL."""

import pytest

from tests.fakes.databases import postgres
from tests.kuberay.rendering import OVERLAYS, Object, rendered

__all__ = ["objects", "overlay", "postgres"]


@pytest.fixture(scope="session", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def objects(overlay: str) -> list[Object]:
    return rendered(overlay)
