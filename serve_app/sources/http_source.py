"""Audio by http and https."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deployments.errors import SourceRefused, SourceUnreachable
from serve_app.outbound.client import GuardedClient
from serve_app.outbound.urls import HttpUrl
from serve_app.sources.byte_collector import ByteCollector


class HttpSource:
    """Downloads of public URLs, by a client that others may use as well."""

    def __init__(self, client: GuardedClient, max_redirects: int) -> None:
        self._client = client
        self._max_redirects = max_redirects

    async def fetch(self, url: HttpUrl, max_bytes: int) -> npt.NDArray[np.uint8]:
        """The body of an answer, uint8 [n]; what it is, is for the decoder to find out.

        Raises:
            SourceRejected: see AudioFetcher.fetch.
            AudioTooLarge: declared, or counted after unpacking.
        """
        collected = ByteCollector(max_bytes)
        async with self._client.get(url, self._max_redirects) as response:
            host, status = response.url.host, response.status
            if 400 <= status < 500:
                raise SourceRefused(f"{host} answered with status {status}")
            if not 200 <= status < 300:
                raise SourceUnreachable(f"{host} answered with status {status}")
            collected.expect(response.content_length)
            async for chunk in response.content.iter_any():
                collected.add(chunk)
        return collected.array()
