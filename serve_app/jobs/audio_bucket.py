"""The audio of jobs in a bucket of AWS S3, or of a server that speaks its protocol.

Imported only where the settings ask for it: boto3 takes half a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from deployments.errors import NotFound, ServiceUnavailable
from deployments.s3_client import s3_client
from serve_app.jobs.audio import Audio, is_audio_name
from serve_app.jobs.rows import JOB_ID_PREFIX
from serve_app.settings import S3Settings

_Result = TypeVar("_Result")
_THREADS = 4
_TIMEOUT_S = 10.0
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})


class AudioBucket:
    """Objects under one prefix, by boto3 in threads of its own."""

    def __init__(self, bucket: str, prefix: str, settings: S3Settings) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="audio-bucket")
        self._client = s3_client(settings.endpoint_url, settings.region, timeout_s=_TIMEOUT_S, connections=_THREADS)

    async def put(self, name: str, audio: Audio) -> None:
        """See AudioStore."""
        await self._in_thread(
            lambda: self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=audio.tobytes())
        )

    async def get(self, name: str) -> Audio:
        """See AudioStore."""
        return await self._in_thread(lambda: self._download(name))

    async def delete(self, name: str) -> None:
        """See AudioStore."""
        await self._in_thread(lambda: self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name))

    async def older_than(self, age_s: float) -> tuple[str, ...]:
        """See AudioStore."""
        return await self._in_thread(lambda: tuple(self._aged(time.time() - age_s)))

    async def close(self) -> None:
        """See AudioStore."""
        self._executor.shutdown(wait=False)
        self._client.close()

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except (BotoCoreError, ClientError, HTTPError) as error:
            code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
            # From None: the messages quote endpoints, which may carry credentials.
            raise ServiceUnavailable(
                f"The bucket of the audio cannot be used: {code or type(error).__name__}"
            ) from None

    def _download(self, name: str) -> Audio:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            with answer["Body"] as body:
                return np.frombuffer(body.read(), np.uint8)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                raise NotFound("recording", name) from None
            raise

    def _aged(self, put_before_s: float) -> list[str]:
        prefix = self._prefix + JOB_ID_PREFIX
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        entries = (entry for page in pages for entry in page.get("Contents", []))
        aged = (entry["Key"] for entry in entries if entry["LastModified"].timestamp() <= put_before_s)
        names = (key.removeprefix(self._prefix) for key in aged)
        return [name for name in names if is_audio_name(name)]
