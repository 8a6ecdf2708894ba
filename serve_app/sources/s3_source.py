"""Audio by s3://, from AWS or any server that speaks its protocol, with the service's own credentials."""

from __future__ import annotations

import asyncio
import contextvars
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from deployments.errors import InvalidParameter, SourceForbidden, SourceUnreachable
from deployments.stopping import ShouldStop, raise_if_stopped
from serve_app.settings import S3Settings
from serve_app.sources.byte_collector import ByteCollector

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from urllib3.response import BaseHTTPResponse

# Downloads at once in one process; each is a thread that mostly waits.
_THREADS = 8
_CHUNK_BYTES = 256 * 1024
_PREFIX = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


@dataclass(frozen=True, slots=True)
class S3Url:
    """``s3://bucket/key``; the key is taken as it stands, like on AWS's command line: % and ? stand for themselves."""

    bucket: str
    key: str = field(repr=False)


def is_s3_url(text: str) -> bool:
    """Whether a URL has this scheme."""
    return text[: len(_PREFIX)].lower() == _PREFIX


def parse_s3_url(text: str) -> S3Url:
    """Take an s3:// URL apart.

    Raises:
        InvalidParameter: it names no bucket or no object, or has . or .. between two slashes: behind a server or
            a proxy that resolves them lies another bucket than the one that was checked.
    """
    bucket, _, key = text[len(_PREFIX) :].partition("/")
    if not _BUCKET.fullmatch(bucket) or not key or not {".", ".."}.isdisjoint(key.split("/")):
        raise InvalidParameter("url", "an s3 URL is s3://bucket/key")
    return S3Url(bucket, key)


class S3Source:
    """Downloads of objects, by boto3 in threads of its own.

    Args:
        settings: endpoint, region and the buckets that callers may name.
        connect_timeout_s: time to connect, and between two chunks.
        any_bucket: what applies where the settings list no buckets.
    """

    def __init__(self, settings: S3Settings, connect_timeout_s: float, *, any_bucket: bool) -> None:
        self._settings = settings
        self._connect_timeout_s = connect_timeout_s
        self._any_bucket = any_bucket
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="s3")
        self._client: S3Client | None = None
        self._client_lock = threading.Lock()

    async def fetch(self, url: S3Url, max_bytes: int) -> npt.NDArray[np.uint8]:
        """An object, uint8 [n]. Cancelling stops the thread at its next chunk, or when its wait for one ends.

        Raises:
            SourceRejected: see AudioFetcher.fetch.
            AudioTooLarge: declared, or counted.
        """
        allowed = self._settings.buckets
        if not self._any_bucket if allowed is None else url.bucket not in allowed:
            raise SourceForbidden(f"the bucket {url.bucket} is not among those of the setting sources.s3.buckets")
        stop = threading.Event()
        try:
            # In the request's context, where its bytes are counted.
            download = partial(contextvars.copy_context().run, self._download, url, max_bytes, stop.is_set)
            return await asyncio.get_running_loop().run_in_executor(self._executor, download)
        finally:
            stop.set()

    async def close(self) -> None:
        """Free the threads; a download that is still running ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    def _download(self, url: S3Url, max_bytes: int, should_stop: ShouldStop) -> npt.NDArray[np.uint8]:
        raise_if_stopped(should_stop)
        # Importing boto3 takes 0.4 s, which a service that is never sent such a URL need not spend.
        from serve_app.sources.s3_errors import S3_ERRORS, rejection

        try:
            answer = self._connected().get_object(Bucket=url.bucket, Key=url.key)
            declared = answer.get("ContentLength")
            collected = ByteCollector(max_bytes)
            # Entering it gives the urllib3 response: unlike read(), its read1() does not wait for a full chunk.
            with answer["Body"] as body:
                stream = cast("BaseHTTPResponse", body)
                collected.expect(declared)
                while chunk := stream.read1(_CHUNK_BYTES):
                    collected.add(chunk)
                    raise_if_stopped(should_stop)
        except S3_ERRORS as error:
            # From None: the messages quote endpoints, which may carry credentials.
            raise rejection(url.bucket, error) from None
        # read1() does not compare, unlike read().
        if declared is not None and len(collected) != declared:
            raise SourceUnreachable(f"bucket {url.bucket}: what the S3 server sent broke off")
        return collected.array()

    def _connected(self) -> S3Client:
        """The one client, for all threads."""
        from deployments.s3_client import s3_client

        with self._client_lock:
            if self._client is None:
                self._client = s3_client(
                    self._settings.endpoint_url,
                    self._settings.region,
                    timeout_s=self._connect_timeout_s,
                    connections=_THREADS,
                )
            return self._client
