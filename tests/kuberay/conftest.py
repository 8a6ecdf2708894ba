"""The rendered overlays, made once."""

import pytest

from tests.kuberay.rendering import OVERLAYS, Object, rendered


@pytest.fixture(scope="session", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def objects(overlay: str) -> list[Object]:
    return rendered(overlay)
