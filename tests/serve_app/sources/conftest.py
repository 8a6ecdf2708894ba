from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.s3_server import S3_ENVIRONMENT, running_s3_server


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with running_s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def s3_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, text in S3_ENVIRONMENT.items():
        monkeypatch.setenv(name, text)
