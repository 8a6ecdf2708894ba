"""The client of S3 that audio, jobs and checkpoints have in common.

Imported only where one is needed: boto3 takes half a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


def s3_client(
    endpoint_url: str | None, region: str | None, *, timeout_s: float, connections: int, attempts: int = 3
) -> S3Client:
    """A client for all threads of its caller; boto3 takes 0.15 s to make it.

    Args:
        endpoint_url: of an S3-compatible server; None: boto3's.
        region: None: boto3's.
        timeout_s: to connect, and between two chunks.
        connections: that are kept open.
        attempts: of a call, the first included.
    """
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region,
        config=Config(
            connect_timeout=timeout_s,
            read_timeout=timeout_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=connections,
            # With an endpoint of one's own, set here or by AWS_ENDPOINT_URL, this means paths: few such servers have
            # a DNS name for each bucket.
            s3={"addressing_style": "auto"},
            # Not every such server knows the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
