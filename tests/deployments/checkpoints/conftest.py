from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest

from tests.fakes.model_hub import Hub, running_hub
from tests.fakes.s3_server import S3_ENVIRONMENT, running_s3_server

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        yield hub


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with running_s3_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def s3_client(s3_endpoint: str) -> S3Client:
    keys = S3_ENVIRONMENT["AWS_ACCESS_KEY_ID"], S3_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]
    return boto3.session.Session(*keys, region_name="us-east-1").client("s3", endpoint_url=s3_endpoint)


@pytest.fixture
def s3(s3_client: S3Client, monkeypatch: pytest.MonkeyPatch) -> S3Client:
    for name, value in S3_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return s3_client
