"""Fetches audio that a caller names by URL, whatever its scheme."""

from __future__ import annotations

import asyncio

import numpy as np
import numpy.typing as npt
from opentelemetry.trace import SpanKind

from deployments.errors import SourceUnreachable
from deployments.tracing import annotate, inner_span
from serve_app.outbound.client import GuardedClient
from serve_app.outbound.guard import AddressGuard
from serve_app.outbound.urls import parse_http_url
from serve_app.settings import SourceSettings
from serve_app.sources.http_source import HttpSource
from serve_app.sources.s3_source import S3Source, is_s3_url, parse_s3_url


class AudioFetcher:
    """One for each process.

    Args:
        settings: what may be fetched, and how long it may take.
        max_bytes: limit of every fetch.
        any_bucket: whether s3:// URLs may name any bucket where the settings list none.

    Raises:
        ValueError: the settings name no valid networks or hosts.
    """

    def __init__(self, settings: SourceSettings, max_bytes: int, *, any_bucket: bool) -> None:
        self._max_bytes = max_bytes
        self._max_fetch_s = settings.max_fetch_s
        guard = AddressGuard(settings.allowed_hosts, settings.allowed_networks, settings.denied_networks)
        self._client = GuardedClient(guard, settings.connect_timeout_s)
        self._http = HttpSource(self._client, settings.max_redirects)
        self._s3 = S3Source(settings.s3, settings.connect_timeout_s, any_bucket=any_bucket)

    async def fetch(self, url: str, max_bytes: int | None = None) -> npt.NDArray[np.uint8]:
        """Download http, https or s3, uint8 [n]. Cancelling it closes the connection.

        Args:
            url: its user and password, if any, are sent as basic authorisation, and not on to another host.
            max_bytes: a lower limit than the service's own.

        Raises:
            InvalidParameter: url is none.
            SourceForbidden: another scheme, an address that is not public, a bucket that is not listed.
            SourceUnreachable: no answer, too late an answer, a broken one, or a failure of the server.
            SourceRefused: the server answered that we may not have it, or that it is not there.
            AudioTooLarge: declared before it was read, or counted while reading.
        """
        limit = self._max_bytes if max_bytes is None else min(max_bytes, self._max_bytes)
        with inner_span("fetch", SpanKind.CLIENT):
            try:
                async with asyncio.timeout(self._max_fetch_s):
                    data = await self._fetched(url, limit)
            except TimeoutError:
                raise SourceUnreachable(f"it took longer than {self._max_fetch_s:g} s") from None
            annotate(bytes=len(data))
            return data

    async def _fetched(self, url: str, limit: int) -> npt.NDArray[np.uint8]:
        if is_s3_url(url):
            return await self._s3.fetch(parse_s3_url(url), limit)
        return await self._http.fetch(parse_http_url(url), limit)

    async def close(self) -> None:
        """Close every connection."""
        await self._s3.close()
        await self._client.close()
